//! A rollout as data: in saved plans, and what came of it in the JSON of `apply`.

use super::conduct::{Conductor, Phase, TurnState};
use super::{Amount, Kind, Lane, Place, Rollout, Turn, Wave};
use crate::application::AppKey;
use crate::yaml::Node;

const KINDS: [(Kind, &str); 3] =
    [(Kind::Clusters, "clusters"), (Kind::Applications, "applications"), (Kind::Removals, "removals")];

/// A map without its empty values.
fn map(fields: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
    let is_empty =
        |value: &Node| value.is_null() || value.as_str() == Some("") || value.as_seq().is_some_and(<[Node]>::is_empty);
    let kept = fields.into_iter().filter(|(_, value)| !is_empty(value));
    Node::map(kept.map(|(key, value)| (Node::str(key), value)).collect())
}

fn list<T>(items: &[T], of: impl Fn(&T) -> Node) -> Node {
    Node::seq(items.iter().map(of).collect())
}

fn number(number: usize) -> Node {
    Node::int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn millis(millis: u64) -> Node {
    if millis == 0 { Node::null() } else { Node::int(i64::try_from(millis).unwrap_or(i64::MAX)) }
}

fn amount(amount: Option<Amount>) -> Node {
    amount.map_or_else(Node::null, |amount| Node::str(amount.to_string()))
}

fn flag(flag: bool) -> Node {
    if flag { Node::bool(true) } else { Node::null() }
}

fn place(place: &Place) -> Node {
    let AppKey { instance, namespace, name } = &place.application;
    map([
        ("cluster", Node::str(place.cluster.as_str())),
        ("instance", Node::str(instance.as_str())),
        ("namespace", Node::str(namespace.as_str())),
        ("name", Node::str(name.as_str())),
    ])
}

impl Rollout {
    /// As in a plan; null where nobody waits for anybody.
    pub fn to_node(&self) -> Node {
        if *self == Rollout::default() {
            return Node::null();
        }
        let turn = |turn: &Turn| {
            map([
                ("name", Node::str(turn.name.as_str())),
                ("cluster", Node::str(turn.cluster.as_str())),
                ("applications", list(&turn.places, place)),
                ("lost", list(&turn.lost, |why| Node::str(why.as_str()))),
            ])
        };
        let wave = |wave: &Wave| {
            map([
                ("name", Node::str(wave.name.as_str())),
                ("maxUpdate", amount(wave.at_once)),
                ("maxFailures", amount(wave.failures)),
                ("soakMillis", millis(wave.soak)),
                ("pause", flag(wave.pause)),
                ("health", flag(wave.health)),
                ("members", number(wave.members)),
                ("turns", list(&wave.turns, turn)),
            ])
        };
        let lane = |lane: &Lane| {
            let kind = KINDS.iter().find(|row| row.0 == lane.kind).map_or("", |row| row.1);
            map([
                ("name", Node::str(lane.name.as_str())),
                ("kind", Node::str(kind)),
                ("maxFailures", amount(lane.failures)),
                ("timeoutMillis", millis(lane.timeout.unwrap_or(0))),
                ("waves", list(&lane.waves, wave)),
            ])
        };
        map([("lanes", list(&self.lanes, lane)), ("unmatched", list(&self.unmatched, place))])
    }

    /// Reads that.
    ///
    /// # Errors
    /// Why it is none: one sentence.
    pub fn from_node(node: &Node) -> Result<Rollout, String> {
        let lanes = items(node, "lanes").iter().map(read_lane).collect::<Result<_, _>>()?;
        let unmatched = items(node, "unmatched").iter().map(read_place).collect::<Result<_, _>>()?;
        Ok(Rollout { lanes, unmatched })
    }
}

fn items<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    node.get(key).and_then(Node::as_seq).unwrap_or_default()
}

fn text(node: &Node, key: &str) -> String {
    node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned()
}

fn read_number<T: std::str::FromStr + Default>(node: &Node, key: &str) -> T {
    node.get(key).and_then(Node::text).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn read_amount(node: &Node, key: &str) -> Result<Option<Amount>, String> {
    let Some(written) = node.get(key).and_then(Node::text) else { return Ok(None) };
    Amount::parse(written).map(Some).ok_or_else(|| format!("`{written}` is no amount"))
}

fn read_place(node: &Node) -> Result<Place, String> {
    let place = Place {
        cluster: text(node, "cluster"),
        application: AppKey {
            instance: text(node, "instance"),
            namespace: text(node, "namespace"),
            name: text(node, "name"),
        },
    };
    if place.cluster.is_empty() || place.application.name.is_empty() {
        return Err("a turn of its rollout names no application".to_owned());
    }
    Ok(place)
}

fn read_lane(node: &Node) -> Result<Lane, String> {
    let kind = text(node, "kind");
    let known = KINDS.iter().find(|row| row.1 == kind).ok_or_else(|| format!("`{kind}` is no kind of rollout"))?;
    let turn = |node: &Node| -> Result<Turn, String> {
        Ok(Turn {
            name: text(node, "name"),
            cluster: text(node, "cluster"),
            places: items(node, "applications").iter().map(read_place).collect::<Result<_, _>>()?,
            lost: items(node, "lost").iter().filter_map(Node::as_str).map(str::to_owned).collect(),
        })
    };
    let wave = |node: &Node| -> Result<Wave, String> {
        Ok(Wave {
            name: text(node, "name"),
            at_once: read_amount(node, "maxUpdate")?,
            failures: read_amount(node, "maxFailures")?,
            soak: read_number(node, "soakMillis"),
            pause: node.get("pause").and_then(Node::as_bool) == Some(true),
            health: node.get("health").and_then(Node::as_bool) == Some(true),
            members: read_number(node, "members"),
            turns: items(node, "turns").iter().map(turn).collect::<Result<_, _>>()?,
        })
    };
    Ok(Lane {
        name: text(node, "name"),
        kind: known.0,
        failures: read_amount(node, "maxFailures")?,
        timeout: Some(read_number(node, "timeoutMillis")).filter(|millis| *millis > 0),
        waves: items(node, "waves").iter().map(wave).collect::<Result<_, _>>()?,
    })
}

impl Conductor {
    /// What came of each lane and wave.
    pub fn to_node(&self) -> Node {
        let lanes = self.rollout.lanes.iter().enumerate().filter_map(|(at, lane)| {
            let state = self.lanes.get(at)?;
            let (how, why) = match &state.phase {
                Phase::Done => ("done", ""),
                Phase::Paused => ("paused", ""),
                Phase::Stopped(why) => ("stopped", why.as_str()),
                Phase::Works | Phase::Soaks { .. } | Phase::Looks { .. } => ("waiting", ""),
            };
            let waves = lane.waves.iter().enumerate().map(|(wave, _)| self.wave_node(at, wave)).collect();
            Some(map([
                ("name", Node::str(lane.name.as_str())),
                ("state", Node::str(how)),
                ("wave", number(state.open + 1)),
                ("why", Node::str(why)),
                ("waves", Node::seq(waves)),
            ]))
        });
        Node::seq(lanes.collect())
    }

    fn wave_node(&self, lane: usize, wave: usize) -> Node {
        let states = self.turns(lane, wave);
        let of = self.rollout.lanes.get(lane).and_then(|lane| lane.waves.get(wave));
        let turn = |(turn, state): (usize, &TurnState)| {
            let name = of.and_then(|wave| wave.turns.get(turn)).map_or("", |turn| turn.name.as_str());
            let (how, why) = match state {
                TurnState::Waits => ("waiting", ""),
                TurnState::Runs => ("running", ""),
                TurnState::Well => ("done", ""),
                TurnState::Failed(why) => ("failed", why.as_str()),
                TurnState::Lost(why) => ("lost", why.as_str()),
            };
            map([("name", Node::str(name)), ("state", Node::str(how)), ("why", Node::str(why))])
        };
        let name = of.map_or("", |wave| wave.name.as_str());
        map([("name", Node::str(name)), ("turns", Node::seq(states.iter().enumerate().map(turn).collect()))])
    }
}
