"""Wire protocol v1: the messages (`messages`, `between_workflows`), their encoding (`codec`), and derived IDs
(`ids`)."""
