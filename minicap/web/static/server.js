// Questions to the server.  Every failure becomes an Error with a sentence for the reader.

export async function ask(address, parameters = [], photo = null) {
  const query = new URLSearchParams(parameters).toString();
  const options = photo === null ? {} : {
    method: "POST",
    body: photo,
    headers: { "Content-Type": photo.type || "application/octet-stream" },
  };
  let response;
  try {
    response = await fetch(query ? `${address}?${query}` : address, options);
  } catch {
    throw new Error("The server does not answer. Is minicap serve still running?");
  }
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    throw new Error(`The server's answer cannot be read (status ${response.status}).`);
  }
  if (!response.ok) throw new Error(sentence(answer.error.message));
  return answer;
}

function sentence(message) {
  return `${message[0].toUpperCase()}${message.slice(1)}.`;
}
