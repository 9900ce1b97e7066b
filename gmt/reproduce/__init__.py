"""Run the experiments of both papers from short YAML files, and set what is found beside what is published."""
