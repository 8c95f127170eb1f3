"""What happens in the shop, told to the service: baskets that change features, feedback that becomes labels."""
