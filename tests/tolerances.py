"""Every numeric tolerance of the test-suite, by what is compared."""

INTEGER = 0  # ids, counts, pixel boxes, masks: exact
GEOMETRY = 1e-6  # numpy geometry against a slow loop
TWINS = 1e-5  # the numpy and the tensor version of one formula
NETWORK = 1e-4  # a whole network against another implementation
PARITY_INTERMEDIATE = 1e-3  # recorded intermediates of the reference model
