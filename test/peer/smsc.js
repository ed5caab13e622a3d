// An SMSC out of the npm package smpp, for the tests: it takes texts, joins long ones, sends receipts,
// and originates texts when told to on standard input. It prints one JSON document a line.
'use strict';
const smpp = require('smpp');

const say = (o) => process.stdout.write(JSON.stringify(o) + '\n');
let next = 0x7f3a10; // ids are spelled in hexadecimal in the answer, as many centres do
const parts = new Map();
let bound = null;

const server = smpp.createServer({}, (session) => {
  for (const kind of ['bind_transceiver', 'bind_receiver', 'bind_transmitter']) {
    session.on(kind, (pdu) => {
      if (pdu.system_id !== 'longlines' || pdu.password !== 'secret') {
        session.send(pdu.response({ command_status: smpp.ESME_RBINDFAIL }));
        session.close();
        return;
      }
      session.send(pdu.response({ system_id: 'npm-smpp' }));
      if (kind !== 'bind_transmitter') bound = session;
      say({ event: 'bound', kind });
    });
  }
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('error', (e) => say({ event: 'error', error: String(e) }));
  session.on('submit_sm', (pdu) => {
    const id = (next++).toString(16).toUpperCase();
    session.send(pdu.response({ message_id: id }));
    const text = pdu.short_message.message;
    const ies = pdu.short_message.udh || [];
    let whole = { text, parts: 1 };
    for (const ie of Array.isArray(ies) ? ies : [ies]) {
      const wide = ie[0] === 0x08;
      if (ie[0] !== 0x00 && !wide) continue;
      const ref = wide ? ie.readUInt16BE(2) : ie[2];
      const [total, seq] = wide ? [ie[4], ie[5]] : [ie[3], ie[4]];
      const key = pdu.destination_addr + '/' + ref;
      const have = parts.get(key) || [];
      have[seq - 1] = text;
      parts.set(key, have);
      whole = have.filter((p) => p !== undefined).length === total ? { text: have.join(''), parts: total } : null;
    }
    if (whole) say({ event: 'text', from: pdu.source_addr, to: pdu.destination_addr, coding: pdu.data_coding, ...whole });
    if (pdu.registered_delivery & 1) {
      // The receipt spells the id in decimal: the platform must find the message all the same.
      const dec = parseInt(id, 16).toString();
      session.deliver_sm({
        source_addr: pdu.destination_addr, dest_addr_ton: 1, source_addr_ton: 1, source_addr_npi: 1,
        destination_addr: pdu.source_addr, esm_class: 0x04,
        short_message: 'id:' + dec + ' sub:001 dlvrd:001 submit date:2611240900 done date:2611240901 stat:DELIVRD err:000 text:' + String(text).slice(0, 20),
      }, (resp) => say({ event: 'receipt_acknowledged', id, status: resp.command_status }));
    }
  });
});

server.listen(0, '127.0.0.1', () => say({ event: 'listening', port: server.address().port }));

let input = '';
process.stdin.on('data', (chunk) => {
  input += chunk;
  for (let at; (at = input.indexOf('\n')) >= 0; input = input.slice(at + 1)) {
    const m = JSON.parse(input.slice(0, at));
    const send = (message, udh) => bound.deliver_sm({
      source_addr_ton: 1, source_addr_npi: 1, source_addr: m.from, destination_addr: m.to,
      esm_class: udh ? 0x40 : 0, data_coding: m.ucs2 ? 8 : 0,
      short_message: udh ? { udh, message } : message,
    }, (resp) => say({ event: 'mo_acknowledged', status: resp.command_status }));
    if (!m.split) { send(m.text); continue; }
    const pieces = [];
    for (let i = 0; i < m.text.length; i += m.split) pieces.push(m.text.slice(i, i + m.split));
    pieces.forEach((piece, i) => send(piece, Buffer.from([0x05, 0x00, 0x03, 0x2a, pieces.length, i + 1])));
  }
});
process.stdin.on('end', () => process.exit(0));
