"""Personalised LLM routing over multi-turn conversations."""
