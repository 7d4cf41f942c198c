"""An optimizer within a `MirroredStrategy`: the devices' gradients are added before all else.

Keras adds them when it updates the weights, after each device has clipped its own and has looked
whether they are finite; and it cannot accumulate them there at all.
"""

import tensorflow as tf


def add_first(optimizer):
    """Let a built optimizer work on the sum of the devices' gradients, as it does on one device.

    Args:
        optimizer: keras.Optimizer; in float16 the one that scales the loss.
    """
    innermost = getattr(optimizer, "inner_optimizer", optimizer)
    innermost._all_reduce_sum_gradients = list  # they are added already
    if innermost.gradient_accumulation_steps:
        _accumulate(innermost)
    apply = optimizer.apply

    def apply_sum(grads, trainable_variables=None):
        present = [grad for grad in grads if grad is not None]
        context = tf.distribute.get_replica_context()
        sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
        return apply([None if grad is None else next(sums) for grad in grads], trainable_variables)

    optimizer.apply = apply_sum


def _accumulate(optimizer):
    """Let an optimizer move the weights once in `gradient_accumulation_steps` calls.

    It branches where the devices' steps meet; Keras branches inside of each device's step, where
    TensorFlow lets none of them wait for the others.
    """
    apply, steps = optimizer.apply, optimizer.gradient_accumulation_steps

    def kept(variable):
        return optimizer._accumulated_gradients[optimizer._get_variable_index(variable)]

    def move(grads, variables):
        means = [grad if grad is None else (grad + kept(variable)) / steps
                 for grad, variable in zip(grads, variables, strict=True)]
        optimizer.gradient_accumulation_steps = None
        try:
            apply(means, variables)
        finally:
            optimizer.gradient_accumulation_steps = steps

    def apply_or_keep(strategy, grads, variables):
        each, update = strategy.extended.call_for_each_replica, strategy.extended.update
        pairs = [(kept(v).value, grad) for grad, v in zip(grads, variables, strict=True)
                 if grad is not None]
        counter = optimizer._iterations.value

        def apply_all():
            each(move, args=(grads, variables))
            for sum_, _ in pairs:
                update(sum_, lambda v: v.assign(tf.zeros_like(v)), group=False)

        def keep_all():
            for sum_, grad in pairs:
                update(sum_, lambda v, g: v.assign_add(g), args=(grad,), group=False)
            update(counter, lambda v: v.assign_add(1), group=False)

        tf.cond(tf.equal((counter + 1) % steps, 0), apply_all, keep_all)

    def apply_across(grads, trainable_variables=None):
        tf.distribute.get_replica_context().merge_call(
            lambda strategy, grads: apply_or_keep(strategy, grads, trainable_variables),
            args=(grads,))

    optimizer.apply = apply_across
