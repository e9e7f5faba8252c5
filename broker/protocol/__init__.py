"""Wire protocol v1: the messages (`messages`), their encoding (`codec`), and derived IDs (`ids`)."""
