"""The look of the validation report. No colour speaks alone: words and signs repeat what it says."""

CSS = """
:root{--ink:#1d2630;--quiet:#5c6773;--paper:#fff;--line:#dfe4e8;--soft:#f5f7f8;
--good:#1f7a5c;--warn:#b8860b;--bad:#b3261e;--none:#9aa4ad;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--quiet:#9aa5b0;--paper:#14191e;--line:#2f3942;--soft:#1c2329;
--good:#4fb892;--warn:#e0b13c;--bad:#ef6f66;--none:#5d6872}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}
header{border-left:.5rem solid;padding:.75rem 1rem;background:var(--soft);border-radius:.25rem}
header.good{border-color:var(--good)}header.warn{border-color:var(--warn)}header.bad{border-color:var(--bad)}
header p{margin:0;overflow-wrap:anywhere}h1{margin:.1rem 0;font-size:1.7rem;line-height:1.2}
header.good h1{color:var(--good)}header.warn h1{color:var(--warn)}header.bad h1{color:var(--bad)}
h2{margin:2rem 0 .5rem;font-size:1.2rem}h3{margin:1rem 0 .4rem;font-size:1rem}
.model,.span,.quiet,.note{color:var(--quiet)}.quiet{font-weight:400}.span{font-size:.9rem}
.numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.5rem;margin:1rem 0}
.numbers div{background:var(--soft);border-radius:.25rem;padding:.5rem .75rem;
display:flex;flex-direction:column-reverse;justify-content:flex-end}
.numbers dt{color:var(--quiet);font-size:.85rem}.numbers dd{margin:0;font-size:1.3rem;font-weight:600}
table{width:100%;border-collapse:collapse}th{text-align:left;font-size:.85rem;color:var(--quiet);font-weight:500}
th,td{padding:.45rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
td:nth-child(3),td:nth-child(4){font-variant-numeric:tabular-nums;font-size:.9rem}
.note{display:block;font-size:.9rem;overflow-wrap:anywhere}
.tag{border:1px solid;border-radius:1rem;padding:.05rem .6rem;font-size:.85rem;white-space:nowrap}
.tag.good{color:var(--good)}.tag.warn{color:var(--warn)}.tag.bad{color:#fff;background:var(--bad);border-color:var(--bad)}
.months{display:flex;flex-wrap:wrap;gap:.9rem 1.1rem}figure{margin:0}figcaption{font-size:.8rem;color:var(--quiet)}
svg{display:block}.day path{stroke:var(--paper);stroke-width:1.6;fill:none;stroke-linecap:round}
.day.good rect{fill:var(--good);opacity:.75}.day.warn rect{fill:var(--warn)}.day.bad rect{fill:var(--bad)}
.day.none rect{fill:none;stroke:var(--none);stroke-dasharray:2 2}
.day.test rect{stroke:var(--ink);stroke-width:1}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;font-size:.85rem;color:var(--quiet);margin:.3rem 0}
.legend span{display:inline-flex;align-items:center;gap:.35rem}
.partition{border-left:.25rem solid;padding:.1rem .9rem;margin:.6rem 0}.partition.bad{border-color:var(--bad)}
.partition.warn{border-color:var(--warn)}.partition h3{margin:.2rem 0}.partition ul{margin:.2rem 0;padding-left:1.1rem}
.partition li{overflow-wrap:anywhere;font-size:.95rem}time{font-variant-numeric:tabular-nums}
@media(max-width:36rem){.checks thead{display:none}.checks tr{display:grid;grid-template-columns:1fr 1fr auto;
border-bottom:1px solid var(--line);padding:.5rem 0;gap:.1rem .8rem}.checks td{border:0;padding:0}
.checks td:first-child{grid-column:1/-1}.checks td:nth-child(2){grid-column:3;grid-row:2}
.checks td:nth-child(3)::before{content:"observed ";color:var(--quiet)}
.checks td:nth-child(4)::before{content:"bound ";color:var(--quiet)}}
"""
