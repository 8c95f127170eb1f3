"""One folder per component: a thin shell that reads artifacts, calls one library function and writes artifacts."""
