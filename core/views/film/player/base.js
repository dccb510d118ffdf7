// What all panels need: the arrays of a film, numbers in words, a canvas in whole device pixels.

const TEXT = 13; // pixels: the least that a projector shows well
let SCALE = 1; // on the stage a film is drawn small and shown large: screen pixels a pixel of its own

function density() {
  return (window.devicePixelRatio || 1) * SCALE;
}

function headerOf(bytes) {
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  return { header: JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size))), start: 4 + size };
}

function unpack(bytes) {
  const { header, start } = headerOf(bytes);
  return { header, arrays: header.arrays.map((entry) => new Numbers(entry, bytes, start)) };
}

class Numbers {
  // One array of the payload; `at(k)` is its moment k, and the only one of what stands still.
  constructor(entry, bytes, start) {
    this.scale = entry.scale ?? 1;
    this.shape = entry.shape;
    this.moments = entry.shape[0];
    this.size = entry.shape.slice(1).reduce((a, b) => a * b, 1);
    const packed = Math.ceil(this.size / 8);
    const width = { int16: 2, int32: 4, uint8: 1 }[entry.kind];
    const length = this.moments * (width ? this.size * width : packed);
    const part = bytes.slice(start + entry.at, start + entry.at + length); // a copy: it begins where numbers may
    if (!width) {
      this.all = new Uint8Array(this.moments * this.size);
      for (let k = 0; k < this.moments; k++) {
        for (let i = 0; i < this.size; i++) {
          this.all[k * this.size + i] = (part[k * packed + (i >> 3)] >> (7 - (i & 7))) & 1;
        }
      }
    } else {
      this.all = new { int16: Int16Array, int32: Int32Array, uint8: Uint8Array }[entry.kind](part.buffer);
    }
  }

  at(k) {
    const place = Math.min(k, this.moments - 1) * this.size;
    return this.all.subarray(place, place + this.size);
  }

  value(k, i) {
    return this.at(k)[i] * this.scale;
  }
}

// -- numbers in words ------------------------------------------------------------------------------------------

function grouped(digits) {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

function num(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  const sign = value < 0 ? "−" : "";
  if (size >= 1000) return sign + grouped(Math.round(size).toString());
  if (size < 0.0001) return sign + size.toExponential(1).replace("e-", "·10⁻").replace(/\d$/, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]);
  return sign + Number(size.toPrecision(3)).toString();
}

// Two decimals, as numbers stand under each other; less where they would say nothing.
function two(value) {
  const size = Math.abs(value);
  const text = size >= 10 ? Number(size.toPrecision(3)).toString() : size >= 0.005 || size < 0.0005 ? size.toFixed(2) : size.toPrecision(1);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

function percent(share) {
  if (share > 0 && share < 0.0001) return "<\u202f0.01\u202f%";
  if (share < 1 && share > 0.9995) return ">\u202f99.9\u202f%";
  return `${Number((100 * share).toPrecision(3))}\u202f%`;
}

function said(value, form) {
  return form === "percent" ? percent(value) : form === "count" ? grouped(Math.round(value).toString()) : num(value);
}

// -- drawing ---------------------------------------------------------------------------------------------------

function make(tag, style, text) {
  const element = document.createElement(tag);
  if (style) element.className = style;
  if (text !== undefined) element.textContent = text;
  return element;
}

function theme(host) {
  const style = getComputedStyle(host);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return {
    text: read("--st-text-color", "#1d232b"),
    back: read("--st-background-color", "#ffffff"),
    accent: read("--st-primary-color", "#2f6fd0"),
    rule: "rgba(128,134,142,0.28)",
    wash: "rgba(128,134,142,0.10)",
    font: read("--st-font", "sans-serif"),
  };
}

class Sheet {
  // A canvas of *width* x *height* CSS pixels, sharp at every device pixel ratio.
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  size(width, height) {
    const ratio = density();
    const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
    if (this.canvas.width !== w || this.canvas.height !== h) [this.canvas.width, this.canvas.height] = [w, h];
    this.canvas.style.width = `${w / ratio}px`;
    this.canvas.style.height = `${h / ratio}px`;
    [this.width, this.height, this.ratio] = [w / ratio, h / ratio, ratio];
  }

  clear() {
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.globalAlpha = 1;
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
  }

  font(colours, size = TEXT, weight = 400) {
    this.context.font = `${weight} ${size}px ${colours.font}`;
    this.context.fillStyle = colours.text;
  }
}

// 256 colours as one word each, in the order in which an ImageData holds its bytes.
function words32(palette) {
  return new Uint32Array(new Uint8Array(palette).buffer);
}

function css(palette, code) {
  const [r, g, b, a] = palette.slice(4 * code, 4 * code + 4);
  return `rgba(${r},${g},${b},${(a / 255).toFixed(3)})`;
}

// Places of the pointer over a canvas, in CSS pixels.
function under(event, canvas) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / SCALE, (event.clientY - box.top) / SCALE];
}
