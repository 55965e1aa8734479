'use strict';

// Requests on the standard input, answers on the standard output, as the adapter protocol says.

const readline = require('node:readline');
const { Malformed, decode, encode, pick } = require('./frames.js');
const { parse, stringify } = require('./json.js');
const { Server } = require('./server.js');

let server = null;

const REQUESTS = {
  hello: () => [{ is: 'metadata', protocol: 1n, name: 'takeover in JavaScript', version: '1', language: 'JavaScript' }],
  encode: (request) => [{ is: 'encoded', frame: encode(request.kind, pick(request.kind, request)) }],
  decode({ frame }) {
    try {
      return [{ is: 'decoded', ...decode(frame) }];
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return [{ is: 'refused' }];
    }
  },
  found(request) {
    server = new Server(request);
    return [];
  },
  queued(request) {
    server.queued(request);
    return [];
  },
  part(request) {
    server.part(request);
    return [];
  },
  start: (request) => server.start(request),
};

const answer = (request) => REQUESTS[request.op]?.(request) ?? server.handle(request.op, request);

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const request = parse(line);
  const lines = [...answer(request), { is: 'end' }];
  process.stdout.write(lines.map((fields) => `${stringify({ id: request.id, ...fields })}\n`).join(''));
});
