"""d loss / d params.  Made by xform from models.py; edit that, then: xform grad models.py:loss -o loss_grad.py"""
import runtime as rt
import runtime.numpy as np


def loss_grad(params, inputs, targets):
    out, residuals = loss_fwd(params, inputs, targets)
    return rt.instantiate(loss_bwd(residuals, rt.one_like(out)), like=params)


def loss_fwd(params, inputs, targets):
    preds, predict_residuals = predict_fwd(params, inputs)
    diff = preds - targets
    return np.mean(diff ** 2), (rt.like(preds), predict_residuals, diff)


def predict_fwd(params, inputs):
    tape = []
    for W, b in params:
        outputs = np.dot(inputs, W) + b
        inputs_1 = np.tanh(outputs)
        tape.append((inputs, W, rt.like(b), inputs_1))
        inputs = inputs_1
    return outputs, (params, tape)


def loss_bwd(residuals, d_out):
    preds_like, predict_residuals, diff = residuals
    # models.py:14  return np.mean((preds - targets) ** 2)
    d_preds = rt.unbroadcast(rt.unmean(d_out, like=diff) * (2 * diff), like=preds_like)
    # models.py:13  preds = predict(params, inputs)
    d_params = predict_bwd(predict_residuals, d_preds)
    return d_params


def predict_bwd(residuals, d_outputs):
    params, tape = residuals
    d_inputs = rt.ZERO
    d_items = []
    for inputs, W, b_like, inputs_1 in reversed(tape):
        # models.py:8  inputs = np.tanh(outputs)
        d_outputs = rt.add(d_outputs, d_inputs * (1 - inputs_1 * inputs_1))
        # models.py:7  outputs = np.dot(inputs, W) + b
        d_b = rt.unbroadcast(d_outputs, like=b_like)
        d_W = rt.undot_right(d_outputs, inputs, like=W)
        d_inputs = rt.undot_left(d_outputs, W, like=inputs)
        d_items.append((d_W, d_b))
        d_outputs = rt.ZERO
    # models.py:6  for W, b in params:
    d_params = rt.uniter(d_items, like=params)
    return d_params
