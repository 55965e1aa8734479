"""What a server has on its disk: its queues, what it must not forget, its data, its statements and its trace."""
