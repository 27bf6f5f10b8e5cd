"""What each part of a recipe brings, alone and with the others."""
