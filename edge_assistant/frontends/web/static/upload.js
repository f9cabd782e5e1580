// Sends one file and tells how far it is: `fetch` can't tell, so this is the old way.

import { ApiError } from "./api.js";

/** Sends `file`; `told(share)` hears from 0 to 1 how much has left. Resolves to the document; throws `ApiError`. */
export function upload(file, shared, told) {
  const request = new XMLHttpRequest();
  request.open("POST", `/api/documents?name=${encodeURIComponent(file.name)}${shared ? "&shared=1" : ""}`);
  request.responseType = "json";
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.upload.addEventListener("progress", ({ loaded, total }) => told(total ? loaded / total : 0));
  return new Promise((resolve, reject) => {
    request.addEventListener("load", () => {
      const error = request.response?.error;
      if (request.status < 300 && request.response) resolve(request.response);
      else reject(new ApiError(error?.code ?? "HTTP_ERROR", error?.message ?? request.statusText, request.status));
    });
    request.addEventListener("error", () => reject(new ApiError("OFFLINE", "the device doesn't answer")));
    request.send(file);
  });
}
