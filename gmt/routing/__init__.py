"""Share the ground all routers stand on: votes, kernels, costs and the protocol."""
