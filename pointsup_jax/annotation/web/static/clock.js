// Seconds since a point was shown, and those in which somebody was there.
const IDLE_MS = 30000;

export class Clock {
  constructor() {
    this.shown = this.last = performance.now();
    this.activeMs = 0;
    this.running = !document.hidden;
  }

  touch() {
    const time = performance.now();
    if (this.running) this.activeMs += Math.min(time - this.last, IDLE_MS);
    this.last = time;
    this.running = !document.hidden;
  }

  read() {
    this.touch();
    const seconds = (this.last - this.shown) / 1000;
    return {seconds, active: Math.min(this.activeMs / 1000, seconds)};
  }
}

// Has what people do counted by the clock that `current` returns, if any.
export function listen(current) {
  const touch = () => current()?.touch();
  for (const kind of ['keydown', 'pointermove', 'pointerdown', 'wheel']) {
    document.addEventListener(kind, touch, {capture: true, passive: true});
  }
  document.addEventListener('visibilitychange', touch);
}
