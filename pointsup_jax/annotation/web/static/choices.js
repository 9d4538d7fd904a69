// What is chosen for this browser, whoever labels.

// The choice, if it is one of those; '' for none.
export function chosen(what, among) {
  try {
    const kept = localStorage.getItem(`points-${what}`);
    return among.includes(kept) ? kept : '';
  } catch {
    return ''; // no storage, as in some private windows
  }
}

export function choose(what, value) {
  try {
    localStorage.setItem(`points-${what}`, value);
  } catch {
    // It holds for this window.
  }
}
