"""The card's looks: one style sheet for screen, phone, dark rooms and paper."""

CSS = """
:root { color-scheme: light dark; --ink: #1c2621; --soft: #5d6b64; --paper: #fff; --wash: #f4f7f5; --rule: #d9e1dc;
  --strong: #0b6b43; --pale: #bfdccd; --good: #0b6b43; --bad: #b3261e; --note: #8a6100; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ece9; --soft: #9aa8a1; --paper: #131a17; --wash: #1b2420;
  --rule: #2f3b35; --strong: #4cc38a; --pale: #24513c; --good: #4cc38a; --bad: #ff8a80; --note: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15.5px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Liberation Sans", sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 980px; margin: 0 auto; padding: 32px 24px 64px; }
header { border-bottom: 3px solid var(--strong); padding-bottom: 14px; }
.over { color: var(--strong); font-weight: 600; font-size: 13px; letter-spacing: .02em; }
h1 { font-size: 29px; line-height: 1.18; margin: 2px 0 6px; letter-spacing: -.012em; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 38px 0 8px; padding-top: 4px; letter-spacing: -.005em; }
h3 { font-size: 14px; margin: 0 0 4px; } p { margin: 6px 0; overflow-wrap: anywhere; } section { break-inside: auto; }
.lead { font-size: 17px; line-height: 1.5; margin: 18px 0 6px; max-width: 72ch; } .text { max-width: 76ch; }
.soft, figcaption, caption { color: var(--soft); } .small { font-size: 13px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 10px; margin: 18px 0 0; }
.facts div { background: var(--wash); border-radius: 8px; padding: 11px 14px; } .facts dt { color: var(--soft);
  font-size: 12.5px; } .facts dd { margin: 0; font-weight: 600; font-size: 19px; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; } .facts small { display: block; font-weight: 400; font-size: 12.5px; color: var(--soft); }
.scroll { overflow-x: auto; } .scroll + .scroll { margin-top: 14px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: 14px; } caption { text-align: left; font-size: 13px; padding-bottom: 6px; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top;
  white-space: nowrap; } th { font-size: 12.5px; color: var(--soft); font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child, .text { text-align: left; padding-left: 0; } td.text { white-space: normal;
  padding-left: 10px; } .gates td:nth-child(3) { min-width: 17em; } th.text { padding-left: 10px; }
th.text:first-child, td.text:first-child { padding-left: 0; }
.tag { display: inline-block; padding: 0 9px; border-radius: 99px; font-size: 12.5px; font-weight: 600;
  border: 1.5px solid; white-space: nowrap; } .yes { color: var(--good); }
.no { color: var(--bad); border-style: double; border-width: 3px; } .note { color: var(--note); border-style: dashed; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 26px 34px;
  margin-top: 12px; } figure { margin: 0; min-width: 0; max-width: 470px; break-inside: avoid; }
figcaption { font-size: 13px; margin-top: 4px; } svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-family: inherit !important; }
dl.lineage { display: grid; grid-template-columns: max-content 1fr; gap: 5px 18px; margin: 8px 0; }
.lineage dt { color: var(--soft); } .lineage dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
code { font: 12.5px/1.5 ui-monospace, "Liberation Mono", Menlo, monospace; overflow-wrap: anywhere; }
ul { padding-left: 19px; margin: 6px 0; max-width: 76ch; } li { margin: 4px 0; overflow-wrap: anywhere; }
details { margin: 8px 0; } summary { cursor: pointer; font-weight: 600; padding: 3px 0; }
footer { margin-top: 44px; padding-top: 12px; border-top: 1px solid var(--rule); }
@media (max-width: 600px) { main { padding: 20px 14px 44px; } h1 { font-size: 23px; } h2 { margin-top: 30px; }
  .lead { font-size: 16px; } .facts { grid-template-columns: 1fr 1fr; } .facts dd { font-size: 17px; }
  th, td { padding: 6px 6px; } caption { max-width: calc(100vw - 28px); }
  dl.lineage { grid-template-columns: 1fr; gap: 0; } .lineage dd { margin-bottom: 8px; }
  .gates thead { display: none; } .gates tr { display: grid; grid-template-columns: 1fr auto; padding: 9px 0;
  border-bottom: 1px solid var(--rule); } .gates td { border: 0; padding: 1px 0; min-width: 0; white-space: normal; }
  .gates td:first-child { font-weight: 600; overflow-wrap: anywhere; }
  .gates td:nth-child(2) { padding: 1px 0 1px 8px; }
  .gates td:nth-child(3) { grid-column: 1 / -1; min-width: 0; } .gates td:nth-child(n + 4) { display: none; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --wash: #f3f3f3; --rule: #bbb;
  --strong: #0b6b43; --pale: #cfe3d8; --good: #0b6b43; --bad: #b3261e; --note: #6f4e00; }
  body { font-size: 10.5pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; } main { max-width: none;
  padding: 0; } h2 { break-after: avoid; margin-top: 20px; } tr, figure, .facts div, li { break-inside: avoid; }
  .scroll { overflow: visible; } .gates td:nth-child(3) { min-width: 0; }
  table { font-size: 9pt; } th, td { padding: 3px 5px; }
  td { white-space: normal; } .pictures { grid-template-columns: 1fr 1fr; gap: 14px 20px; }
  details.long { display: none; }
  details > :not(summary) { display: block; } details::details-content { content-visibility: visible; display: block; }
  @page { margin: 14mm; } }
"""
