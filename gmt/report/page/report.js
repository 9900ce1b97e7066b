"use strict";
// Without this script every user's card stands on the page; with it one at a time.
const pickers = [...document.querySelectorAll(".pick select")];

function show(picker) {
  for (const card of document.getElementById(picker.getAttribute("aria-controls")).children) {
    card.hidden = card.id !== picker.value;
  }
  const [back, on] = picker.parentElement.querySelectorAll("button");
  back.disabled = picker.selectedIndex === 0;
  on.disabled = picker.selectedIndex === picker.length - 1;
}

for (const picker of pickers) {
  picker.addEventListener("change", () => show(picker));
  for (const button of picker.parentElement.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      picker.selectedIndex += Number(button.dataset.step);
      show(picker);
      // A button that was just switched off would take the focus along.
      if (button.disabled) picker.focus();
    });
  }
  picker.parentElement.hidden = false;
  show(picker);
}

// A link to a user's card picks that user.
function follow() {
  const id = decodeURIComponent(location.hash.slice(1));
  const picker = pickers.find(one => [...one.options].some(option => option.value === id));
  if (!picker) return;
  picker.value = id;
  show(picker);
  document.getElementById(id).scrollIntoView();
}
addEventListener("hashchange", follow);
addEventListener("pageshow", () => { pickers.forEach(show); follow(); });

// What is folded away is printed too.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of folded) one.open = false;
});
