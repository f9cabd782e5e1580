// Runs in the browser's audio thread: the microphone's samples become 16-bit ones at the rate that is wanted.

const PIECE_SECONDS = 0.02;

class Recorder extends AudioWorkletProcessor {
  constructor({ processorOptions: { rate } }) {
    super();
    this.step = sampleRate / rate;
    this.piece = new Int16Array(rate * PIECE_SECONDS);
    this.filled = 0;
    this.sum = 0;
    this.weight = 0; // how much of the next sample is gathered, in samples of the microphone
  }

  process([[channel]]) {
    for (const sample of channel ?? []) this.take(sample);
    return true;
  }

  /** Averages over the time of one sample: simple, and nothing above half the rate comes back as a low tone. */
  take(sample) {
    const room = this.step - this.weight;
    if (room > 1) {
      this.sum += sample;
      this.weight += 1;
      return;
    }
    this.keep((this.sum + sample * room) / this.step);
    this.sum = sample * (1 - room);
    this.weight = 1 - room;
  }

  keep(value) {
    this.piece[this.filled++] = Math.max(-1, Math.min(1, value)) * 32_767;
    if (this.filled < this.piece.length) return;
    this.port.postMessage(this.piece.buffer.slice(0));
    this.filled = 0;
  }
}

registerProcessor("recorder", Recorder);
