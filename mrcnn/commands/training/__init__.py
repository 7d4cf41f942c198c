"""`mrcnn train`, from what is asked to the run that is done; `running.train` begins it."""
