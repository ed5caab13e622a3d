// The copy buttons of /callback. Where the browser forbids the clipboard, the command is selected instead.
for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', async () => {
    const command = document.getElementById(button.dataset.copy)
    const word = button.querySelector('span')
    try {
      await navigator.clipboard.writeText(command.textContent)
      word.textContent = 'Copied'
    } catch {
      getSelection().selectAllChildren(command)
      word.textContent = 'Selected'
    }
    setTimeout(() => { word.textContent = 'Copy' }, 1600)
  })
}
