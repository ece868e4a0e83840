// SPDX-License-Identifier: Apache-2.0
// What is compared of a network with PyTorch: computed here, and in test/fixtures/reference_networks.py alike.

const STEPS = 3;
const MOMENTUM = 0.9;
const AUXILIARY = 0.3; // the weight of GoogLeNet's auxiliary losses in its paper

/** The loss of what a network gives in training. */
export function lossOf({ F }, output, labels) {
  if (!('logits' in output)) return F.crossEntropy(output, labels);
  const auxiliary = F.crossEntropy(output.auxLogits2, labels).add(F.crossEntropy(output.auxLogits1, labels));
  return F.crossEntropy(output.logits, labels).add(auxiliary.mul(AUXILIARY));
}

/**
 * 'eval': the scores with the initial weights. 'loss': of three steps of SGD. 'grad.NAME': the gradients of the first
 * step. 'buffer.NAME': running means and variances after the last.
 */
export function compute(lenode, model, images, labels, { lr }) {
  const { noGrad, optim, stack } = lenode;
  const results = new Map([['eval', noGrad(() => model.eval().forward(images))]]);
  model.train();
  const optimizer = new optim.SGD(model.parameters(), { lr, momentum: MOMENTUM });
  const losses = [];
  for (let step = 0; step < STEPS; step++) {
    optimizer.zeroGrad();
    const loss = lossOf(lenode, model.forward(images), labels);
    loss.backward();
    losses.push(loss.detach());
    if (step === 0) for (const [name, p] of model.namedParameters()) results.set(`grad.${name}`, p.grad.clone());
    optimizer.step();
  }
  results.set('loss', stack(losses));
  for (const [name, buffer] of model.namedBuffers())
    if (/_(mean|var)$/.test(name)) results.set(`buffer.${name}`, buffer.detach());
  return results;
}
