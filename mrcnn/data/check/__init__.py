"""Looking a whole data set over before anything is trained on it."""
