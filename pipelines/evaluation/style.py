"""The report's looks: one style sheet for screen, phone, dark rooms and paper."""

CSS = """
:root { color-scheme: light dark; --ink: #1c2621; --soft: #5d6b64; --paper: #fff; --wash: #f4f7f5; --rule: #d9e1dc;
  --challenger: #0f7b4f; --champion: #c27a0e; --baseline: #7b8791; --good: #0f7b4f; --bad: #b3261e; --note: #8a6100;
  --good-wash: #e6f4ec; --bad-wash: #fbe9e7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ece9; --soft: #9aa8a1; --paper: #131a17; --wash: #1b2420;
  --rule: #2f3b35; --challenger: #4cc38a; --champion: #f0b04f; --baseline: #98a4ad; --good: #4cc38a; --bad: #ff8a80;
  --note: #e3b341; --good-wash: #16301f; --bad-wash: #3a1b18; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Liberation Sans", sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 1040px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 40px 0 10px; letter-spacing: -.005em; }
h3 { font-size: 14px; margin: 0 0 6px; }
p { margin: 6px 0; } .soft, figcaption, caption { color: var(--soft); } .small { font-size: 13px; }
.verdict { margin: 20px 0 6px; padding: 16px 18px; border-radius: 10px; border-left: 6px solid; }
.verdict strong { display: block; font-size: 19px; line-height: 1.3; }
.verdict.yes { background: var(--good-wash); border-color: var(--good); }
.verdict.no { background: var(--bad-wash); border-color: var(--bad); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 16px 0 0;
  padding: 0; }
.facts div { background: var(--wash); border-radius: 8px; padding: 10px 12px; }
.facts dt { color: var(--soft); font-size: 12px; } .facts dd { margin: 0; font-weight: 600; font-size: 17px;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.facts dd small { display: block; font-weight: 400; font-size: 12px; color: var(--soft); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: 13px; padding-bottom: 6px; caption-side: top; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th { font-size: 12px; font-weight: 600; color: var(--soft); vertical-align: bottom; }
th:first-child, td:first-child, .text { text-align: left; } td.text { white-space: normal; }
td.best { font-weight: 700; } tbody tr:hover { background: var(--wash); }
.tag { display: inline-block; min-width: 62px; padding: 1px 8px; border-radius: 99px; font-size: 12px; font-weight: 600;
  text-align: center; border: 1px solid; }
.tag.yes, .better { color: var(--good); } .tag.no, .worse { color: var(--bad); }
.tag.note { color: var(--note); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 22px; }
.charts.wide { grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); }
figure { margin: 0; break-inside: avoid; min-width: 0; } figcaption { font-size: 12.5px; margin-top: 2px; }
.timeline svg { min-width: 560px; max-width: 760px; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; }
svg .name { fill: var(--ink); } svg .label { fill: var(--ink); } .grid { stroke: var(--rule); stroke-width: 1; }
.axis { stroke: var(--soft); } .equality { stroke: var(--soft); stroke-dasharray: 2 4; }
.mark { stroke: var(--ink); stroke-dasharray: 5 4; } .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.line.challenger { stroke: var(--challenger); } .line.champion { stroke: var(--champion); }
.line.baseline { stroke: var(--baseline); stroke-dasharray: 6 4; } .dot.challenger { fill: var(--challenger); }
.dot.champion { fill: var(--champion); } .dot.baseline { fill: var(--baseline); } .bar { fill: var(--challenger); }
.span { fill: var(--baseline); } .span.train { fill: var(--challenger); opacity: .55; }
.span.validation { fill: var(--challenger); opacity: .8; } .span.test { fill: var(--champion); }
.span.compared { fill: var(--bad); opacity: .75; } .span.lookback { opacity: .4; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 10px; padding: 0; list-style: none;
  font-size: 13px; }
.legend li::before { content: ""; display: inline-block; width: 18px; height: 0; border-top: 3px solid;
  margin-right: 7px; vertical-align: middle; } .legend .challenger::before { border-color: var(--challenger); }
.legend .champion::before { border-color: var(--champion); }
.legend .baseline::before { border-color: var(--baseline); border-top-style: dashed; }
details { margin-top: 10px; } summary { cursor: pointer; font-weight: 600; padding: 4px 0; }
ul.plain { padding-left: 18px; margin: 6px 0; } li { margin: 3px 0; }
@media (max-width: 560px) { main { padding: 18px 14px 40px; } h1 { font-size: 22px; } th, td { padding: 6px 7px; }
  .facts { grid-template-columns: 1fr 1fr; } .gates thead { display: none; }
  .gates tr { display: grid; grid-template-columns: 1fr auto; padding: 8px 0; border-bottom: 1px solid var(--rule); }
  .gates td { border: 0; padding: 2px 0; white-space: normal; } .gates td:first-child { font-weight: 600; }
  .gates td:nth-child(3) { grid-column: 1 / -1; } .gates td:nth-child(n + 4) { display: none; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --wash: #f4f4f4; --rule: #ccc;
  --challenger: #0f7b4f; --champion: #c27a0e; --baseline: #7b8791; --good: #0f7b4f; --bad: #b3261e; --note: #8a6100;
  --good-wash: #eef7f1; --bad-wash: #fcefed; }
  body { font-size: 11px; -webkit-print-color-adjust: exact; print-color-adjust: exact; } main { max-width: none;
  padding: 0; } h2 { break-after: avoid; margin-top: 22px; } tr, figure, .verdict { break-inside: avoid; }
  .scroll { overflow: visible; } .charts { grid-template-columns: repeat(3, 1fr); gap: 12px; }
  .charts.wide { grid-template-columns: 1fr 1fr; } details > :not(summary) { display: block; } @page { margin: 14mm; } }
"""
