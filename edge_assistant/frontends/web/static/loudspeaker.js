// Plays what the device says: pieces of sound, one right after the other.

const HEAD_BYTES = 4;

export class Loudspeaker {
  /** `onState()` is called when it begins and when the last sample was played. */
  constructor({ onState }) {
    this.onState = onState;
    this.context = null;
    this.id = ""; // the turn that is said; empty while none is
    this.stream = 0; // number of the stream that is played; others are dropped
    this.rate = 0;
    this.until = 0; // when what is scheduled ends, in the context's time
    this.complete = false;
    this.sources = new Set();
  }

  get playing() {
    return this.sources.size > 0;
  }

  /** Browsers let a page sound only after somebody pressed something. */
  async wake() {
    this.context ??= new AudioContext();
    await this.context.resume();
  }

  begin({ id, stream, rate }) {
    this.silence();
    Object.assign(this, { id, stream, rate, until: 0, complete: false });
  }

  /** Takes a frame: the number of its stream, then samples; without samples it is the stream's end. */
  play(frame) {
    const stream = new DataView(frame).getUint32(0, true);
    if (stream !== this.stream || !this.context) return;
    const samples = new Int16Array(frame.slice(HEAD_BYTES));
    this.complete = samples.length === 0;
    if (this.complete) return this.ended();
    const buffer = this.context.createBuffer(1, samples.length, this.rate);
    buffer.getChannelData(0).set(Float32Array.from(samples, (sample) => sample / 32_768));
    const source = new AudioBufferSourceNode(this.context, { buffer });
    source.connect(this.context.destination);
    source.onended = () => {
      this.sources.delete(source);
      this.ended();
    };
    this.until = Math.max(this.until, this.context.currentTime);
    source.start(this.until);
    this.until += buffer.duration;
    this.sources.add(source);
    this.onState();
  }

  silence() {
    const { sources } = this;
    this.sources = new Set();
    for (const source of sources) source.stop();
    this.stream = 0;
    this.id = "";
    this.onState();
  }

  ended() {
    if (this.complete && !this.playing) this.id = "";
    this.onState();
  }
}
