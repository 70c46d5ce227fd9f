"""Other libraries' faces of the one VecEnv; each module imports its library, and only when used."""
