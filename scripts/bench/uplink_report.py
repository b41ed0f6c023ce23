"""docs/uplink.md"""
def table(scores, facts):
    out=[str(facts)]
    for s in scores: out.append(f"{s.scenario:12} {s.policy:7} {s.p50:7.0f} {s.p99:7.0f} {s.max:7.0f} frames {s.frames:4.0%} {s.frame_kb:4.0f} kB lost {s.lost_s:5.2f} drain {s.drain_s:5.1f} rec {s.recovery_s} conns {s.connections} low {s.low_rate:.2f} {s.verdicts} {s.details.get('line')}")
    return "\n".join(out)
def documents(*a): pass
