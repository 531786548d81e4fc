// The colours that somebody chose, before anything is drawn in others. Without a choice they are those of the system.
'use strict';
{
  const chosen = localStorage.getItem('theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
}
