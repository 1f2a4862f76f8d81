/**
 * Makes a range heed intent alone: a finger changes it by moving sideways or by a tap, and a swipe
 * across it scrolls the page. CSS takes the pointer from the input itself.
 * @param {HTMLInputElement} input  within an element of class "track"
 */
export function byIntent(input) {
  const track = input.closest(".track"), thumb = 28, slop = 8;
  let start = null, held = false;
  function set(event) {
    const box = input.getBoundingClientRect();
    const share = (event.clientX - box.left - thumb / 2) / (box.width - thumb);
    const value = +input.min + Math.min(1, Math.max(0, share)) * (input.max - input.min);
    if (input.disabled) return;
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  function end(event) {
    if (start && event.type === "pointerup" && !held) set(event);
    if (start && (held || event.type === "pointerup")) input.dispatchEvent(new Event("change", { bubbles: true }));
    start = null;
    held = false;
  }
  track.addEventListener("pointerdown", (event) => {
    start = event;
    held = event.pointerType === "mouse";
    if (!held) return;
    event.preventDefault();
    input.focus({ preventScroll: true });
    track.setPointerCapture(event.pointerId);
    set(event);
  });
  track.addEventListener("pointermove", (event) => {
    if (!start) return;
    const x = Math.abs(event.clientX - start.clientX), y = Math.abs(event.clientY - start.clientY);
    if (!held && x > slop && x > y) {
      held = true;
      track.setPointerCapture(event.pointerId);
    }
    if (held) set(event);
  });
  track.addEventListener("pointerup", end);
  track.addEventListener("pointercancel", end);
}
