//! A real Chromium without a window, driven over the pipe of its DevTools protocol: keys, clicks, what a page says on its console, its
//! accessibility tree, pictures and paper.
//!
//! The program is found or fetched once (`program`). Where it cannot be had a test is reported as not run, and fails where `CI` or
//! `FLEETC_REQUIRE_BROWSER` is set. A browser ends with the pipe, however the test ends.

mod program;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// How long a browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running browser with one page.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    answers: Receiver<Value>,
    number: u64,
    session: String,
    /// Errors and warnings of the console, exceptions, refusals of the content security policy, dialogs.
    pub(crate) said: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one; `None` where there can be none, which is said.
    pub(crate) fn start() -> Option<Browser> {
        let program = match program::program() {
            Ok(program) => program,
            Err(reason) => {
                let required =
                    ["CI", "FLEETC_REQUIRE_BROWSER"].into_iter().any(|name| std::env::var_os(name).is_some());
                assert!(!required, "no browser: {reason}");
                let thread = std::thread::current();
                let name = thread.name().unwrap_or("a test").to_owned();
                let _ = writeln!(std::io::stderr(), "NOT RUN: {name}: no browser: {reason}");
                return None;
            }
        };
        let profile = tempfile::tempdir().unwrap();
        // The protocol is spoken on the descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#])
            .arg(&program.file)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"])
            .args(["--remote-debugging-pipe", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("LD_LIBRARY_PATH", &program.libraries)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let Ok(message) = message else { return };
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let (number, session, said) = (0, String::new(), Vec::new());
        let mut browser = Browser { child, input, answers, number, session, said, _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attached);
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.size(1440, 900);
        Some(browser)
    }

    /// Calls a method of the protocol.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = Value::from(self.session.as_str());
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.input.flush().unwrap();
        let begin = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begin.elapsed());
            let answer = self.answers.recv_timeout(left).unwrap_or_else(|error| panic!("{method}: {error}"));
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.hear(&answer);
        }
    }

    fn hear(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" | "Page.javascriptDialogOpening" => self.said.push(params.to_string()),
            "Log.entryAdded" if params["entry"]["level"] != "verbose" => self.said.push(params["entry"].to_string()),
            "Runtime.consoleAPICalled" => self.said.push(params["args"].to_string()),
            _ => {}
        }
    }

    /// The value of an expression; promises are waited for.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// The text of the first node of a selector.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let text = self.evaluate(&format!("document.querySelector({})?.textContent ?? ''", json!(selector)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// How many nodes a selector has.
    pub(crate) fn number(&mut self, selector: &str) -> u64 {
        self.evaluate(&format!("document.querySelectorAll({}).length", json!(selector))).as_u64().unwrap()
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let begin = Instant::now();
        while self.evaluate(&format!("Boolean({expression})")) != true {
            assert!(begin.elapsed() < PATIENCE, "never: {expression}; said {:?}", self.said);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Opens a file and waits until its script is done; says how long that took, in the browser's own time.
    pub(crate) fn open(&mut self, file: &Path) -> Duration {
        self.call("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        self.until("document.documentElement?.dataset.ready === 'true'");
        // From the start of the navigation to the frame in which everything is there.
        let taken = self.evaluate(
            "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.getEntriesByName('ready')[0].startTime))))",
        );
        Duration::from_secs_f64(taken.as_f64().unwrap() / 1000.0)
    }

    /// The size of the window.
    pub(crate) fn size(&mut self, width: u32, height: u32) {
        let params = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", params);
    }

    /// What the system of the user prefers: `light` or `dark`.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let params = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", params);
    }

    /// Presses and releases a key.
    pub(crate) fn key(&mut self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "Tab" => 9,
            "Backspace" => 8,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => 0,
        };
        let text = match key {
            "Enter" => Some("\r"),
            key if key.chars().count() == 1 => Some(key),
            _ => None,
        };
        let kind = if text.is_some() { "keyDown" } else { "rawKeyDown" };
        let mut params = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
        if let Some(text) = text {
            params["text"] = Value::from(text);
        }
        self.call("Input.dispatchKeyEvent", params);
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}));
    }

    /// Types a text.
    pub(crate) fn type_text(&mut self, text: &str) {
        text.chars().for_each(|c| self.key(&c.to_string()));
    }

    /// Clicks in the middle of the first node of a selector.
    pub(crate) fn click(&mut self, selector: &str) {
        let place = self.evaluate(&format!(
            "(() => {{ const node = document.querySelector({}); if (!node) return null; node.scrollIntoView({{block: 'nearest'}}); \
             const r = node.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; }})()",
            json!(selector)
        ));
        assert!(place.is_array(), "no {selector}");
        for kind in ["mousePressed", "mouseReleased"] {
            let params = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    /// A picture of the window as PNG.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", json!({"format": "png"}));
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// The page on paper as PDF.
    pub(crate) fn paper(&mut self) -> Vec<u8> {
        let paper = self.call("Page.printToPDF", json!({"printBackground": true}));
        STANDARD.decode(paper["data"].as_str().unwrap()).unwrap()
    }

    /// What can be operated and has no name that a screen reader could say, by role.
    pub(crate) fn nameless(&mut self) -> Vec<String> {
        const OPERATED: [&str; 12] = [
            "button",
            "link",
            "checkbox",
            "searchbox",
            "textbox",
            "combobox",
            "tab",
            "gridcell",
            "rowheader",
            "columnheader",
            "grid",
            "dialog",
        ];
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] == false);
        let operated = nodes.filter(|node| OPERATED.contains(&node["role"]["value"].as_str().unwrap_or_default()));
        let operated: Vec<&Value> = operated.collect();
        assert!(operated.len() > 5, "the tree is empty");
        // A cell of a table may be empty.
        let empty = |node: &&&Value| {
            node["role"]["value"] != "gridcell" || node["childIds"].as_array().is_some_and(|c| !c.is_empty())
        };
        let nameless =
            operated.iter().filter(empty).filter(|node| node["name"]["value"].as_str().unwrap_or_default().is_empty());
        nameless.map(|node| node.to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
