"""Programs that are refused today: each must raise exactly this error, and a test fails as soon as one of them works.

A gap here is loud by construction: a wrong number can never hide behind it.
"""

GAPS = {
    # a function returned by a function, or picked from a list of functions at run time
    "test_value[returned_closure]": "TransformError",
    "test_value[switch]": "TransformError",
    "test_gradient[returned_closure]": "TransformError",
    "test_gradient[switch]": "TransformError",
    "test_forward_agrees_with_reverse[returned_closure]": "TransformError",
    "test_forward_agrees_with_reverse[switch]": "TransformError",
    "test_compiled_gradient[returned_closure]": "TransformError",
    "test_compiled_gradient[switch]": "TransformError",
    "test_batched_value[returned_closure]": "TransformError",
    "test_batched_value[switch]": "TransformError",
    "test_batched_gradient[returned_closure]": "TransformError",
    "test_batched_gradient[switch]": "TransformError",
    "test_second_derivative[returned_closure]": "TransformError",
    "test_second_derivative[switch]": "TransformError",
    # in_axes that map some entries of a dict and not others
    "test_arguments_match_jax[vmap-dict-axes]": "ValueError",
    # a short loop over a list of traced values with a traced early end, under jit(grad)
    "test_random_program[2]": "ConcretizationError",
    # records of a branch that no lane takes, inside nested loops under vmap(grad)
    "test_random_program[7]": "UndefinedError",
    # two batches of a gradient that is zero for every input
    "test_gradient_under_two_batches[shapes:lax.top_k(x, 2)[1]]": "ValueError",
}
