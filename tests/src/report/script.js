// Following a link opens the linked row; without scripts :target still highlights it.
function follow() {
  document.querySelectorAll('.row.here').forEach(row => row.classList.remove('here'));
  const row = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!row || !row.classList.contains('row')) return;
  row.open = true;
  row.classList.add('here');
  row.scrollIntoView({ block: 'center' });
}
addEventListener('hashchange', follow);
addEventListener('DOMContentLoaded', follow);
// A second click on the same link changes no hash, yet must find the row again.
addEventListener('click', event => {
  const link = event.target.closest('a[href^="#"]');
  if (link && link.hash === location.hash) setTimeout(follow);
});
