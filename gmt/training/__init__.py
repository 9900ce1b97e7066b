"""Learn a router from conversations."""
