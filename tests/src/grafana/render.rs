//! A dashboard as Grafana wants it.

use serde_json::{Map, Value, json};

use super::source::{Board, Panel, Row, Show, Step, expanded};

/// The page is this wide.
const PAGE: u64 = 24;

impl Board {
    /// The dashboard; `name` is that of its file and makes its uid.
    #[must_use]
    pub fn json(&self, name: &str) -> Value {
        json!({
            "uid": format!("gamesched-{name}"),
            "title": format!("Game scheduler / {}", self.title),
            "description": format!("{} Written from compose/grafana/source/{name}.yaml.", self.about),
            "tags": ["game-scheduler"],
            "schemaVersion": 41,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": { "from": "now-1h", "to": "now" },
            "timezone": "",
            "annotations": { "list": [alerts()] },
            "links": [{
                "type": "dashboards", "title": "Boards", "tags": ["game-scheduler"],
                "asDropdown": true, "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link",
            }],
            "templating": { "list": self.templating() },
            "panels": self.placed(),
        })
    }

    fn templating(&self) -> Vec<Value> {
        let series = r#"target_info{job=~"gamesched/.+"}"#;
        let mut list = vec![
            choice("environment", "Environment", &format!("label_values({series}, deployment_environment_name)"), ""),
            choice("service", "Service", &format!("label_values({series}, job)"), "/gamesched\\/(.+)/"),
        ];
        list[0]["allValue"] = json!(".*");
        list[1]["allValue"] = json!(".+");
        list.extend(self.variables.iter().map(|(name, field)| {
            let option = json!({ "text": field.default, "value": field.default, "selected": true });
            json!({
                "name": name, "label": field.label, "type": "textbox", "query": field.default,
                "current": option, "options": [option],
            })
        }));
        list
    }

    /// Rows one below the other, panels from left to right.
    fn placed(&self) -> Vec<Value> {
        let (mut panels, mut y) = (Vec::new(), 0);
        for row in &self.rows {
            let id = panels.len() + 1;
            let place = json!({ "h": 1, "w": PAGE, "x": 0, "y": y });
            panels.push(
                json!({ "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [], "gridPos": place }),
            );
            y = row.placed(&mut panels, y + 1);
        }
        panels
    }
}

impl Row {
    fn placed(&self, panels: &mut Vec<Value>, top: u64) -> u64 {
        let (mut x, mut y, mut height) = (0, top, 0);
        for panel in &self.panels {
            let (wide, high) = panel.size();
            if x + wide > PAGE {
                (x, y, height) = (0, y + height, 0);
            }
            let mut json = panel.json();
            json["id"] = json!(panels.len() + 1);
            json["gridPos"] = json!({ "h": high, "w": wide, "x": x, "y": y });
            panels.push(json);
            (x, height) = (x + wide, height.max(high));
        }
        y + height
    }
}

impl Panel {
    fn size(&self) -> (u64, u64) {
        let (wide, high) = match (self.kind(), self.show) {
            ("timeseries", _) => (12, 8),
            ("stat", _) => (6, 4),
            _ => (PAGE, 9),
        };
        (self.width.unwrap_or(wide), high)
    }

    /// Grafana's name of what draws it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (&self.logs, &self.search, self.graph, self.show) {
            (Some(_), ..) => "logs",
            (None, Some(_), ..) => "table",
            (None, None, true, _) => "nodeGraph",
            (None, None, false, Show::Lines) => "timeseries",
            (None, None, false, Show::Stat) => "stat",
        }
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "type": self.kind(),
            "title": self.title,
            "description": self.about,
            "datasource": self.datasource(),
            "targets": self.targets(),
            "fieldConfig": { "defaults": self.defaults(), "overrides": [] },
            "options": self.options(),
        });
        if let Some(board) = &self.board {
            let url = format!("/d/gamesched-{board}?${{__url_time_range}}&${{__all_variables}}");
            json["links"] = json!([{ "title": format!("Board {board}"), "url": url }]);
        }
        json
    }

    fn datasource(&self) -> Value {
        let kind = match self.kind() {
            "logs" => "loki",
            "table" | "nodeGraph" => "tempo",
            _ => "prometheus",
        };
        json!({ "type": kind, "uid": kind })
    }

    fn targets(&self) -> Vec<Value> {
        let target = |extra: Value| {
            let mut target = json!({ "refId": "A", "datasource": self.datasource() });
            merge(&mut target, extra);
            target
        };
        if let Some(logs) = &self.logs {
            return vec![target(json!({ "expr": logs, "queryType": "range" }))];
        }
        if let Some(search) = &self.search {
            let extra = json!({ "queryType": "traceql", "query": search, "limit": 20, "tableType": "traces" });
            return vec![target(extra)];
        }
        if self.graph {
            return vec![target(json!({ "queryType": "serviceMap" }))];
        }
        let now = self.show == Show::Stat;
        let each = self.queries.iter().zip('A'..='Z').map(|((legend, query), id)| {
            target(json!({
                "refId": id.to_string(), "expr": expanded(query), "legendFormat": legend, "editorMode": "code",
                "instant": now, "range": !now, "exemplar": self.examples,
            }))
        });
        each.collect()
    }

    fn defaults(&self) -> Value {
        if self.queries.is_empty() {
            return json!({ "noValue": "nothing" });
        }
        let mut defaults = json!({
            "unit": self.unit,
            "noValue": "nothing",
            "color": { "mode": if self.show == Show::Stat { "thresholds" } else { "palette-classic" } },
            "thresholds": { "mode": "absolute", "steps": self.thresholds() },
        });
        if self.show == Show::Lines {
            defaults["custom"] = json!({
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "auto",
                "thresholdsStyle": { "mode": if self.steps.is_empty() { "off" } else { "dashed" } },
            });
        }
        let ends = [("min", self.min), ("max", self.max)];
        let ends = ends.into_iter().filter_map(|(key, end)| Some((key.to_owned(), json!(end?))));
        merge(&mut defaults, Value::Object(ends.collect()));
        if let Some(traces) = &self.traces {
            let link = json!({ "title": "Traces", "url": explore(traces), "targetBlank": true });
            defaults["links"] = json!([link]);
        }
        defaults
    }

    fn thresholds(&self) -> Vec<Value> {
        let mut from = Value::Null;
        let mut steps = Vec::new();
        for step in &self.steps {
            match step {
                Step::From(value) => from = json!(value),
                Step::Colour(colour) => steps.push(json!({ "color": colour, "value": from })),
            }
        }
        if steps.is_empty() {
            steps.push(json!({ "color": "text", "value": null }));
        }
        steps
    }

    fn options(&self) -> Value {
        match self.kind() {
            "timeseries" => json!({
                "legend": { "showLegend": true, "displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"] },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            "stat" => json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "textMode": "value_and_name", "colorMode": "value", "graphMode": "none", "justifyMode": "auto",
                "orientation": "auto",
            }),
            "logs" => json!({
                "showTime": true, "wrapLogMessage": true, "enableLogDetails": true, "sortOrder": "Descending",
                "dedupStrategy": "none",
            }),
            "table" => json!({ "showHeader": true }),
            _ => json!({}),
        }
    }
}

/// A variable whose values the store knows.
fn choice(name: &str, label: &str, query: &str, pattern: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query",
        "datasource": { "type": "prometheus", "uid": "prometheus" },
        "definition": query, "query": { "query": query, "refId": name }, "regex": pattern,
        "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "hide": 0, "options": [],
        "current": { "text": ["All"], "value": ["$__all"], "selected": true },
    })
}

/// When an alert fired, on the time axis of every panel.
fn alerts() -> Value {
    json!({
        "name": "Alerts", "enable": true, "iconColor": "red",
        "datasource": { "type": "prometheus", "uid": "prometheus" },
        "expr": r#"max by (alertname, severity) (ALERTS{alertstate="firing"})"#,
        "titleFormat": "{{alertname}}", "tagKeys": "severity", "step": "60s",
    })
}

/// Where Grafana shows the traces that a series measured; `{{label}}` is filled in by Grafana from the series.
fn explore(traceql: &str) -> String {
    let query = traceql.replace("{{", "${__field.labels.").replace("}}", ":percentencode}");
    let query = json!({
        "refId": "A", "queryType": "traceql", "limit": 20, "query": query,
        "datasource": { "type": "tempo", "uid": "tempo" },
    });
    let range = json!({ "from": "${__from}", "to": "${__to}" });
    let pane = json!({ "traces": { "datasource": "tempo", "queries": [query], "range": range } });
    format!("/explore?schemaVersion=1&orgId=1&panes={}", encoded(&pane.to_string()))
}

/// Percent-encoded, but for Grafana's own `${...}`.
fn encoded(text: &str) -> String {
    let mut parts = text.split("${");
    let mut url = percent(parts.next().unwrap_or_default());
    for part in parts {
        let (variable, rest) = part.split_once('}').unwrap_or((part, ""));
        url.push_str(&format!("${{{variable}}}{}", percent(rest)));
    }
    url
}

fn percent(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let each = text.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    each.collect()
}

fn merge(target: &mut Value, extra: Value) {
    if let (Value::Object(target), Value::Object(extra)) = (target, extra) {
        target.extend::<Map<String, Value>>(extra);
    }
}
