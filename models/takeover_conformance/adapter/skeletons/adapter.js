'use strict';

// An adapter: `takeover conform` asks on the standard input, and is answered on the standard output.
//
// It says hello, refuses every frame, and starts a server that does nothing. ADAPTER.md has every request, and what may be
// answered; PROTOCOL.md has what a server does. Put your server where it says so, and let `--next` lead you:
//
//     takeover conform --next -- node adapter.js

const readline = require('node:readline');

// The lines that answer a request, without the last one; each without its `id`. Whole numbers are BigInts.
const REQUESTS = {
  hello: () => [{ is: 'metadata', protocol: 1n, name: 'my server', version: '0.1', language: 'JavaScript' }],

  // Your encoder: `kind`, and that message's fields. Answer { is: 'encoded', frame } with the frame in base64.
  encode: (request) => [{ is: 'refused' }],

  // Your decoder: `frame` in base64. Answer { is: 'decoded', kind, …and that message's fields }.
  decode: (request) => [{ is: 'refused' }],

  found: (request) => [], // forget everything: this is on your server's disk
  queued: (request) => [], // and this, in one of its queues

  // ROLE-1: passive and hidden. LEASE-2: what may have been promised before is waited out.
  start: ({ now, promise_ns }) => [{ do: 'start', active: false, enabled: false, until: 0n, wait_until: now + promise_ns }],

  connected: (request) => [], // to the peer; a passive server says its Position: { is: 'say', to: 'peer', frame }
  frame: (request) => [], // `frame` came from `sender`; { is: 'close', to: sender } if it is malformed
  wake: (request) => [], // it is as late as you wished, by { is: 'wake-at', at }
  idle: (request) => [], // time to report, and with `room` to apply an update
  write: (request) => [], // an active server: log it
  'carried-out': (request) => [], // note how it ended, and pass it on
  part: (request) => [], // a part of what { is: 'take-copy' } asked for
  copied: (request) => [], // and those were all
  order: (request) => [], // { is: 'answer', number, accepted, clause, reason }
  stop: (request) => [], // { is: 'sync' }, and say goodbye
};

// JSON.parse would round numbers above 2^53, and they go up to 2^63 - 1. The lines are flat, so this is enough.
const FIELD = /"([a-z_]+)": ?(?:("(?:[^"\\]|\\.)*")|([0-9]+)|(true|false))/g;

function parse(line) {
  const fields = {};
  for (const [, name, text, number, flag] of line.matchAll(FIELD)) {
    fields[name] = text ? JSON.parse(text) : number ? BigInt(number) : flag === 'true';
  }
  return fields;
}

function stringify(fields) {
  const told = (value) => (typeof value === 'bigint' ? value.toString() : JSON.stringify(value));
  return `{${Object.entries(fields).map(([name, value]) => `"${name}":${told(value)}`).join(',')}}`;
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const request = parse(line);
  const lines = [...REQUESTS[request.op](request), { is: 'end' }];
  process.stdout.write(lines.map((fields) => `${stringify({ id: request.id, ...fields })}\n`).join(''));
});
