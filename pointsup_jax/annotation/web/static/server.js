// What is asked of the program that serves this page.
import {session} from './session.js';

// Resolves to the reply and its status, `code`; 0: there was no reply.
export async function call(path, body) {
  const options = {credentials: 'same-origin', cache: 'no-store'};
  if (body) {
    options.method = 'POST';
    options.body = JSON.stringify(body);
    options.headers = {
      'content-type': 'application/json', 'x-points': session.header,
    };
  }
  let reply;
  try {
    reply = await fetch(path, options);
  } catch {
    return {code: 0, error: 'no connection'};
  }
  try {
    return {code: reply.status, ...(await reply.json())};
  } catch {
    return {code: reply.ok ? 500 : reply.status, error: reply.statusText};
  }
}
