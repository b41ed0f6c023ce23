"""The style sheet of a job record: for phone, desk, dark mode and paper. No font, picture or script from elsewhere.

Tested in tests/agent/record/test_html.py.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --ink: #1d2125; --soft: #5c646c; --line: #e2dfd9; --panel: #ffffff; --accent: #1f5f7a;
  --warn: #8a5a00; --warn-paper: #fdf3dd;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16191c; --ink: #e6e4df; --soft: #9aa3ab; --line: #30363c; --panel: #1e2327; --accent: #7fbdd6;
    --warn: #e9bf6c; --warn-paper: #33290f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 1.0625rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
}
main { max-width: 47rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1, h2, p, ol, dl, dd, figure { margin: 0; padding: 0; }
time, .meta, .facts { font-variant-numeric: tabular-nums; }
header { padding-bottom: 1.5rem; border-bottom: 1px solid var(--line); }
.kind { font-size: .875rem; letter-spacing: .02em; color: var(--accent); font-weight: 600; }
h1 { font-size: 1.75rem; line-height: 1.2; font-weight: 650; letter-spacing: -.012em; margin: .2rem 0 .35rem; }
.sum { color: var(--soft); }
.facts { display: flex; flex-wrap: wrap; gap: .15rem 1.5rem; margin-top: 1rem; font-size: .875rem; color: var(--soft); }
.facts div { display: flex; gap: .4rem; }
.facts dd { color: var(--ink); }
.timeline { list-style: none; }
.timeline > li { padding: 1.6rem 0; border-bottom: 1px solid var(--line); }
.stamp { display: block; font-size: .875rem; color: var(--soft); margin-bottom: .35rem; }
.stamp span { margin-left: .6rem; }
.who { display: block; font-size: .8125rem; font-weight: 600; color: var(--soft); margin-bottom: .1rem; }
.question { font-size: 1.1875rem; line-height: 1.42; font-weight: 600; white-space: pre-line; }
.none { color: var(--soft); font-weight: 400; font-style: italic; }
.answer {
  margin-top: 1rem; padding: .8rem 1rem .9rem; background: var(--panel); border: 1px solid var(--line);
  border-left: 3px solid var(--accent); border-radius: 0 .5rem .5rem 0;
}
.answer .who { color: var(--accent); }
.answer p { white-space: pre-line; }
.stopped { color: var(--warn); font-size: .875rem; white-space: nowrap; }
.meta { margin-top: .75rem; font-size: .8125rem; line-height: 1.5; color: var(--soft); }
.meta span { display: inline-block; }
.meta span:not(:last-child)::after { content: "·"; margin: 0 .45em; }
.fate {
  display: inline-block; margin-top: .9rem; padding: .2rem .65rem; border-radius: 1rem; font-size: .875rem;
  background: var(--warn-paper); color: var(--warn);
}
.fate.quiet { background: none; border: 1px solid var(--line); color: var(--soft); }
figure { margin-top: 1.1rem; }
figure img {
  display: block; max-width: 100%; height: auto; border-radius: .5rem; border: 1px solid var(--line);
  background: var(--panel);
}
figcaption, .gone { margin-top: .4rem; font-size: .8125rem; color: var(--soft); }
.gone { padding: .7rem .9rem; border: 1px dashed var(--line); border-radius: .5rem; margin-top: 1rem; }
audio { display: block; width: 100%; max-width: 26rem; height: 2.5rem; margin-top: .6rem; }
.call { margin-top: 1rem; font-size: .9375rem; }
.call dl {
  display: grid; grid-template-columns: minmax(4.5rem, max-content) 1fr; gap: .15rem 1rem; margin-top: .35rem;
  padding-left: .9rem; border-left: 2px solid var(--line); font-size: .875rem;
}
.call dt { color: var(--soft); }
.call dd, .call dt { min-width: 0; white-space: pre-wrap; }
.call b { font-weight: 600; }
.call .who:not(:first-child) { margin-top: .55rem; }
.timeline > li.event { padding: .75rem 0; font-size: .875rem; color: var(--soft); }
.event .stamp { display: inline; margin-right: .8rem; }
.timeline > li.day { padding: 1.4rem 0 .4rem; border: 0; font-weight: 600; }
footer { padding-top: 1.5rem; font-size: .8125rem; color: var(--soft); }
@media (min-width: 60rem) {
  main { max-width: 56rem; padding-top: 3.5rem; }
  h1 { font-size: 2.125rem; }
  .timeline > li { display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); column-gap: 1.5rem; padding: 2rem 0; }
  .timeline > li > .stamp { margin: .1rem 0 0; line-height: 1.5; }
  .timeline > li > .stamp span { display: block; margin: 0; }
  .timeline > li.event { padding: .9rem 0; }
  .timeline > li.day { display: block; }
}
@page { margin: 16mm 18mm 18mm; }
@media print {
  :root {
    color-scheme: light;
    --paper: #fff; --ink: #000; --soft: #555; --line: #ccc; --panel: #fff; --accent: #1f5f7a; --warn: #6b4600;
    --warn-paper: #fff;
  }
  body { font-size: 10.5pt; line-height: 1.45; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 18pt; }
  .question { font-size: 11.5pt; }
  .timeline > li { display: grid; grid-template-columns: 22mm minmax(0, 1fr); column-gap: 5mm; padding: 5mm 0; }
  .timeline > li > .stamp { margin: 0; font-size: 9pt; }
  .timeline > li > .stamp span { display: block; margin: 0; }
  .timeline > li.event { padding: 2.5mm 0; }
  .timeline > li, figure, .answer, .call { break-inside: avoid; }
  .timeline > li.day { display: block; break-after: avoid; }
  header { break-after: avoid; }
  figure img { max-height: 72mm; max-width: 100%; }
  .fate { border: 1px solid var(--line); }
  audio { display: none; }
  p { orphans: 3; widows: 3; }
}
"""
