"""Pages that show how the server behaves: live, race, boom, health."""
