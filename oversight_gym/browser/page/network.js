// The policy: from an observation, given by its ones, to what each expert would do and how the gate weighs them.

/** The number that a half-precision one stands for. */
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

/** All weights, in a row. */
function decoded(values, precision) {
  const bytes = Uint8Array.from(atob(values), (character) => character.charCodeAt(0));
  if (precision === "float32") return new Float32Array(bytes.buffer);
  return Float32Array.from(new Uint16Array(bytes.buffer), fromHalf);
}

const ACTIVATIONS = { relu: (x) => (x > 0 ? x : 0), tanh: Math.tanh, "": (x) => x };

/** Linear layers in a row. */
class Network {
  /** @param take gives the next so many weights. */
  constructor(layers, take) {
    this.layers = layers.map(({ inputs, outputs, activation }) => ({
      inputs, outputs, activation: ACTIVATIONS[activation], weight: take(inputs * outputs), bias: take(outputs),
    }));
  }

  /** What the layers make of binary inputs, given by the places of their ones. */
  ofOnes(ones) {
    const { inputs, outputs, weight, bias, activation } = this.layers[0], found = new Float64Array(outputs);
    for (let o = 0; o < outputs; o++) {
      let sum = bias[o];
      for (const one of ones) sum += weight[o * inputs + one];
      found[o] = activation(sum);
    }
    return this.layers.slice(1).reduce(through, found);
  }
}

/** One linear layer and its activation. */
function through(values, { inputs, outputs, weight, bias, activation }) {
  const found = new Float64Array(outputs);
  for (let o = 0; o < outputs; o++) {
    let sum = bias[o];
    for (let i = 0; i < inputs; i++) sum += weight[o * inputs + i] * values[i];
    found[o] = activation(sum);
  }
  return found;
}

function softmax(logits) {
  const most = Math.max(...logits), powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
}

class Policy {
  constructor({ layers, values, precision }) {
    const all = decoded(values, precision);
    let place = 0;
    const take = (count) => all.subarray(place, (place += count));
    this.experts = layers.experts.map((own) => new Network(own, take));
    this.gate = layers.gate && new Network(layers.gate, take);
    [this.head] = new Network(layers.head, take).layers;
  }

  /**
   * What does not depend on how the gate is set: the head is linear, so logits mix as the experts' features do.
   * Returns the logits of each expert, without the head's bias, and the free gate's weights.
   */
  read(ones) {
    const bare = { ...this.head, bias: new Float64Array(this.head.outputs) };
    const logits = this.experts.map((expert) => through(expert.ofOnes(ones), bare));
    const free = this.gate ? [...this.gate.ofOnes(ones)] : this.experts.map(() => 0);
    while (free.length < this.experts.length) free.push(0); // the last expert's logit
    return { logits, free: softmax(free) };
  }

  /** Action probabilities of what was read, with these weights of the experts. */
  actions({ logits }, weights) {
    const mixed = Array.from(this.head.bias, (bias, action) =>
      logits.reduce((sum, own, expert) => sum + weights[expert] * own[action], bias));
    return softmax(mixed);
  }
}

/**
 * The experts' weights at a place of the slider: free at 0, an expert alone at 1 and -1, a mixture of the free gate and
 * that expert between, and a contrast to the other experts beyond.
 */
function weigh(free, place, experts) {
  const chosen = place > 0 ? experts.right : experts.left, share = Math.abs(place), others = free.length - 1;
  if (share > 1) return free.map((_, expert) => (expert === chosen ? share : (1 - share) / others));
  return free.map((weight, expert) => (1 - share) * weight + (expert === chosen ? share : 0));
}
