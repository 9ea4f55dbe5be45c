"use strict";

// Swagger UI carries its dark colours behind a class of the root element and leaves it to the page to set it.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followTheReadersScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followTheReadersScheme);
followTheReadersScheme();

SwaggerUIBundle({
  url: "/openapi.json",
  domNode: document.getElementById("reference"),
  deepLinking: true,
  filter: true,
  docExpansion: "list",
  defaultModelExpandDepth: 2,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  showCommonExtensions: true,
  // The badge sends the document's address to a validator on the Internet.
  validatorUrl: null,
  // A token is worth as much as a password: it stays in this tab's memory and ends with it.
  persistAuthorization: false,
});
