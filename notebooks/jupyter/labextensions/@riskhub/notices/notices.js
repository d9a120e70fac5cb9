// Shows in JupyterLab what the Hub tells its user, as text, for as long as the Hub tells it.
//
// A prebuilt extension written by hand: JupyterLab asks for a module federation container, which is an object with `init`
// and `get`. It lies outside of a folder `static`, whose files a browser keeps for ever.
//
// The Hub is asked, not the user's own server: what goes to that counts as use of it, and nobody would ever be idle.
(() => {
  'use strict';
  const NAME = '@riskhub/notices';
  const EVERY = 60000; // milliseconds
  const page = JSON.parse(document.getElementById('jupyter-config-data').textContent);

  function start(Notification) {
    const shown = new Map(); // JupyterLab's notification by the notice's id; it stays when its reader closed it
    let title = null; // the tab's own, while it is marked for somebody who is elsewhere

    async function look() {
      const answer = await fetch(`${page.hubPrefix}riskhub/notices`, { credentials: 'same-origin', redirect: 'error' });
      if (answer.ok) show(await answer.json());
    }

    function show(notices) {
      const told = new Set(notices.map(notice => notice.id));
      for (const [id, notification] of shown) {
        if (!told.has(id)) {
          Notification.dismiss(notification);
          shown.delete(id);
        }
      }
      for (const notice of notices) {
        if (!shown.has(notice.id)) {
          shown.set(notice.id, Notification.warning(notice.text, { autoClose: false }));
          mark();
        }
      }
    }

    function mark() {
      if (document.hidden && title === null) {
        title = document.title;
        document.title = `\u26a0 ${title}`;
      }
    }

    function seen() {
      if (document.hidden) return;
      if (title !== null) document.title = title;
      title = null;
      again();
    }

    const again = () => look().catch(() => {}); // a Hub that is away is asked again
    setInterval(again, EVERY);
    document.addEventListener('visibilitychange', seen);
    again();
  }

  let shared;
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init: scope => {
      shared = scope;
    },
    get: async () => {
      const [apputils] = Object.values(shared['@jupyterlab/apputils']);
      const { Notification } = (await apputils.get())();
      const plugin = { id: `${NAME}:plugin`, autoStart: true, activate: () => start(Notification) };
      return () => ({ __esModule: true, default: plugin });
    }
  };
})();
