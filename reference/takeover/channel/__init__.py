"""What the parties say to each other: connections, who is let in, and what is sent again."""
