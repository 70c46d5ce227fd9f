"""VecEnv: the one environment contract, of physics and of imagination alike. (contract; see below)"""
