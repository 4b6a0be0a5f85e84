"""HTML frame and CSS of the report, light and dark, on screen and on paper."""

from string import Template

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>$style</style>
</head>
<body>
<a class="skip" href="#main">Skip to the metrics</a>
<header>
<p class="kicker">Segline report</p>
<h1>$title</h1>
<p class="note">$subtitle</p>
<nav aria-label="Sections"><ul>$navigation</ul></nav>
</header>
<main id="main">
$body
</main>
</body>
</html>
""")
"""Fields: title, subtitle (text, escaped), style (CSS), navigation (<li> elements), body (<section> elements)."""

STYLE = """
:root {
  --paper: #ffffff; --panel: #f6f7f9; --ink: #1c1f24; --soft: #5b6470; --line: #dfe3e8;
  --accent: #2457c5; --heat: 36 87 197; --good: #12703a; --bad: #b3261e; --good-paper: #e5f4ea; --bad-paper: #fdeceb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --panel: #1d2127; --ink: #e8eaed; --soft: #a3acb8; --line: #343a43;
    --accent: #8ab0ff; --heat: 76 127 235; --good: #7ddba0; --bad: #ff9b93; --good-paper: #16301f; --bad-paper: #3b1d1b;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2.5rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.02em; }
h2 { font-size: 1.35rem; margin: 0 0 1rem; letter-spacing: -.01em; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
section { margin-top: 3rem; scroll-margin-top: 1rem; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.kicker { margin: 0; color: var(--accent); font-weight: 600; font-size: .9rem; }
.note { color: var(--soft); margin: .25rem 0 1rem; max-width: 46rem; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: .75rem 0; margin: 1rem 0 0;
  border-block: 1px solid var(--line); }
nav a { text-decoration: none; } nav a:hover { text-decoration: underline; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0; }
.tiles div { background: var(--panel); border-radius: .6rem; padding: .9rem 1.1rem; }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.7rem; font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tiles + .note { margin-top: .75rem; }
.tiles .note { margin: 0; font-size: .8rem; font-weight: 400; line-height: 1.35; }
.failings { margin: 0; padding-left: 1.2rem; } .failings .swatch { margin: 0 .35em 0 .15em; }
.verdict { display: inline-block; padding: .15rem .75rem; border-radius: 1rem; font-weight: 650; }
.passed { color: var(--good); background: var(--good-paper); }
.failed { color: var(--bad); background: var(--bad-paper); }
.scroll { overflow-x: auto; }
td .passed, td .failed { padding: .05rem .5rem; border-radius: .6rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
table.wide { width: 100%; }
caption { text-align: left; color: var(--soft); padding-bottom: .6rem; font-size: .9rem; }
th, td { padding: .38rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th { font-weight: 600; } thead th { color: var(--soft); font-size: .85rem; }
th[scope=row], .text { text-align: left; font-weight: 500; } td.text { font-weight: 400; }
.swatch { display: inline-block; width: .9em; height: .9em; border-radius: .2em; margin-right: .6em;
  vertical-align: -.08em; border: 1px solid rgb(128 128 128 / .6); }
.bar { display: block; position: relative; width: 100%; min-width: 6rem; height: .7rem; background: var(--line);
  border-radius: .35rem; }
.bar i { display: block; height: 100%; background: var(--accent); border-radius: .35rem; }
.bar b { position: absolute; top: 50%; height: 2px; margin-top: -1px; background: var(--ink); }
.bar b::before, .bar b::after { content: ""; position: absolute; top: -3px; width: 2px; height: 8px;
  background: var(--ink); }
.bar b::before { left: 0; } .bar b::after { right: 0; }
.absent { color: var(--soft); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1.25rem; }
figure { margin: 0; } figcaption { font-size: .9rem; margin-bottom: .3rem; }
.chart { width: 100%; height: auto; display: block; background: var(--panel); border-radius: .6rem; }
.chart text { fill: var(--soft); font-size: 11px; } .chart .grid { stroke: var(--line); }
.chart polyline { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
.chart circle { fill: var(--accent); }
.chart .share { fill: var(--line); } .chart .ideal { stroke: var(--soft); stroke-dasharray: 4 4; }
.chart.square { max-width: 21rem; }
.side { display: grid; grid-template-columns: minmax(15rem, 21rem) 1fr; gap: 2rem; align-items: center; }
.heat { font-size: .82rem; } .heat td { padding: .3rem .25rem; text-align: center; min-width: 2.6rem; border: 0; }
.heat td.cell { background: rgb(var(--heat) / calc(.6 * var(--share, 0))); }
.heat td.own { outline: 2px solid var(--soft); outline-offset: -2px; }
.heat td.none { color: var(--soft); } .heat th { border: 0; padding: .3rem .5rem; }
.heat thead th { vertical-align: bottom; text-align: center; } .heat thead th.text { text-align: left; }
.heat thead th.turned span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; margin: 0 0 .5rem;
  font-size: .9rem; }
.row { margin: 0 0 1.4rem; } .row > div { display: grid; grid-template-columns: repeat(4, 1fr); gap: .5rem; }
.row img { width: 100%; height: auto; display: block; border-radius: .3rem; }
.row div span { display: block; color: var(--soft); font-size: .8rem; }
.crops { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr)); gap: 1.25rem 2rem; }
.crop > div { display: grid; grid-template-columns: repeat(3, 1fr); gap: .4rem; }
.crop .swatch { margin: 0 .35em 0 0; }
.crop img { width: 100%; height: auto; display: block; border-radius: .3rem; image-rendering: pixelated; }
.crop div span { color: var(--soft); font-size: .8rem; }
.words td { text-align: left; } .words table { width: 100%; } .words .scroll + .scroll { margin-top: 1.5rem; }
.plain caption, .plain thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.wide td, .wide th { white-space: nowrap; }
.small dd { font-size: 1.2rem; }
code { font-size: .86em; overflow-wrap: anywhere; }
details { margin-top: 1rem; } summary { cursor: pointer; color: var(--accent); padding: .25rem 0; }
details .scroll { margin-top: 1rem; }
pre { background: var(--panel); border-radius: .6rem; padding: 1rem 1.2rem; overflow-x: auto; font-size: .85rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 44rem) {
  body { padding: 1.25rem 1rem 3rem; } .row > div { grid-template-columns: repeat(2, 1fr); }
  .side { grid-template-columns: 1fr; gap: .5rem; } h1 { font-size: 1.6rem; }
  .words table:not(.plain) { min-width: 40rem; }
}
@media print {
  :root { --paper: #fff; --panel: #f6f7f9; --ink: #000; --soft: #444; --line: #ccc; --accent: #2457c5;
    --heat: 36 87 197; --good: #12703a; --bad: #b3261e; --good-paper: #e5f4ea; --bad-paper: #fdeceb; }
  body { max-width: none; padding: 0; font-size: .8rem; } nav, .skip { display: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .row, .tiles div, figure, tr { break-inside: avoid; } .charts { grid-template-columns: repeat(3, 1fr); }
  h2, h3, caption, thead { break-after: avoid; } details::details-content { content-visibility: visible; }
  .scroll { overflow: visible; }
}
"""
"""CSS of the page. Nothing is downloaded: the fonts are those of the reader's machine."""
