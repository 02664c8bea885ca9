"""Speed and memory on frozen inputs."""
