'use strict';

// JSON as PROTOCOL.md §12.1 wants it. JSON.parse will not do: it rounds numbers above 2^53, takes fractions and exponents, and
// lets the second of two equal keys win. Here a whole number is a BigInt, and anything doubtful is an error.

const MAX_NUMBER = 2n ** 63n - 1n;
const MARK = /[{}[\],:]|true\b|false\b/;
const WHOLE_NUMBER = /(?:0|[1-9][0-9]*)(?![0-9.eE])/;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/;
const TOKEN = new RegExp(`[\\t\\n\\r ]*(${MARK.source}|${WHOLE_NUMBER.source}|${STRING.source})`, 'y');
const NOTHING_MORE = /[\t\n\r ]*$/y;

function parse(text) {
  let at = 0;

  function token() {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (found === null) throw new SyntaxError(`no JSON at ${at}`);
    at = TOKEN.lastIndex;
    return found[1];
  }

  function expect(wanted) {
    if (token() !== wanted) throw new SyntaxError(`no ${wanted} before ${at}`);
  }

  // Calls `item` with the first token of each item, up to the closing bracket.
  function items(closing, item) {
    let next = token();
    if (next === closing) return;
    for (;;) {
      item(next);
      next = token();
      if (next === closing) return;
      if (next !== ',') throw new SyntaxError(`no comma before ${at}`);
      next = token();
    }
  }

  function string(quoted) {
    if (quoted[0] !== '"') throw new SyntaxError(`no text before ${at}`);
    const value = JSON.parse(quoted);
    if (!value.isWellFormed()) throw new SyntaxError(`half a character before ${at}`);
    return value;
  }

  function number(digits) {
    const value = BigInt(digits);
    if (value > MAX_NUMBER) throw new SyntaxError(`too large a number before ${at}`);
    return value;
  }

  function value(first) {
    switch (first) {
      case '{': {
        const object = new Map();
        items('}', (quoted) => {
          const key = string(quoted);
          if (object.has(key)) throw new SyntaxError(`${key} twice`);
          expect(':');
          object.set(key, value(token()));
        });
        return Object.fromEntries(object);
      }
      case '[': {
        const list = [];
        items(']', (item) => list.push(value(item)));
        return list;
      }
      case 'true':
        return true;
      case 'false':
        return false;
      default:
        return /^[0-9]/.test(first) ? number(first) : string(first);
    }
  }

  const result = value(token());
  NOTHING_MORE.lastIndex = at;
  if (!NOTHING_MORE.test(text)) throw new SyntaxError(`something after the end, at ${at}`);
  return result;
}

function stringify(value) {
  if (Array.isArray(value)) return `[${value.map(stringify).join(',')}]`;
  if (typeof value === 'object') {
    return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${stringify(item)}`).join(',')}}`;
  }
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
}

module.exports = { MAX_NUMBER, parse, stringify };
