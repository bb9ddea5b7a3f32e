//! That an operation ends: by its deadline, when it is stopped, and when its ledger fails.

use super::*;

/// The lid is shut between the record and the attempt.
#[tokio::test(start_paused = true)]
async fn attempt_is_not_made_hours_later() {
    struct Lid(Client);
    impl Host for Lid {
        fn now(&self) -> Moment {
            self.0.now()
        }
        async fn sleep(&self, time: Duration) {
            self.0.sleep(time).await;
        }
        async fn token(&mut self, _: Option<TokenId>, _: Duration) -> Result<TokenId, TokenError> {
            Ok(TokenId(1))
        }
        async fn send(
            &mut self,
            request: Request,
            terms: Terms,
        ) -> Result<Response, TransportError> {
            if terms.attempt.is_some() {
                self.0.0.with(|state| state.suspended = secs(3 * 3600));
            }
            self.0.send(request, terms).await
        }
    }
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    let mut host = Lid(Client(service.clone()));
    let request = service.request(create("AcmePortal"));
    let ended = run(&ledger, request, ApiVersion::default(), &mut host, pending()).await;
    let outcome = ended.outcome;
    assert!(matches!(outcome, Outcome::NotCreated { .. }), "{outcome}");
    assert_eq!(service.seen("attempt"), 0);
}

#[tokio::test(start_paused = true)]
async fn stop_sends_nothing_more_and_is_true() {
    for after in 0..40 {
        let slow = Act { effect: Some(secs(1)), reply: None, after: secs(2) };
        let (service, ledger) = (Service::new([slow]), Ledger::in_memory());
        let mut host = Client(service.clone());
        let request = service.request(create("AcmePortal"));
        let stop = sleep(Duration::from_millis(100 * after));
        let ended = run(&ledger, request, ApiVersion::default(), &mut host, stop).await;
        let sent = service.seen("attempt");
        sleep(secs(200)).await;
        assert_eq!(service.seen("attempt"), sent, "sent after the stop");
        match ended.outcome {
            Outcome::NotCreated { why: NotDone::Stopped, .. } => {
                assert!(service.names().is_empty());
            }
            outcome => assert!(!outcome.is_certain() || outcome.exists(), "{after}: {outcome}"),
        }
    }
}

/// Another process has the lock until the record is asked for again.
#[tokio::test]
async fn record_that_is_late_is_asked_for_again() {
    struct Locked {
        client: Client,
        file: std::path::PathBuf,
        lock: Mutex<Option<rusqlite::Connection>>,
        is_late: std::sync::atomic::AtomicBool,
    }
    impl Host for Locked {
        fn now(&self) -> Moment {
            self.client.now()
        }
        async fn sleep(&self, time: Duration) {
            if self.lock.lock().unwrap().is_some() {
                if !self.is_late.swap(true, std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
                self.lock.lock().unwrap().take().unwrap().execute_batch("ROLLBACK").unwrap();
            }
            self.client.sleep(time).await;
        }
        async fn token(&mut self, _: Option<TokenId>, _: Duration) -> Result<TokenId, TokenError> {
            Ok(TokenId(1))
        }
        async fn send(
            &mut self,
            request: Request,
            terms: Terms,
        ) -> Result<Response, TransportError> {
            // The list comes right before the record.
            if terms.attempt.is_none() {
                let connection = rusqlite::Connection::open(&self.file).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                *self.lock.lock().unwrap() = Some(connection);
            }
            self.client.send(request, terms).await
        }
    }
    let directory = tempfile::TempDir::new().unwrap();
    let (service, ledger) = (Service::new([]), Ledger::open(directory.path()).unwrap());
    let mut host = Locked {
        client: Client(service.clone()),
        file: ledger.path().unwrap().to_owned(),
        lock: Mutex::default(),
        is_late: false.into(),
    };
    let request = service.request(create("AcmePortal"));
    let ended = run(&ledger, request, ApiVersion::default(), &mut host, pending()).await;
    assert!(matches!(ended.outcome, Outcome::Created { .. }), "{}", ended.outcome);
    assert_eq!(service.seen("attempt"), 1);
    let entry = ledger.entry(&ended.entry.unwrap()).await.unwrap().unwrap();
    assert_eq!(entry.attempts, 2, "what was late may have been recorded, too");
    assert_eq!(entry.horizon(&host.now(), AT_ONCE), None, "what was not made is not in doubt");
}

/// It was not there, or it was and nothing was to do: a recovery says so.
#[tokio::test(start_paused = true)]
async fn recovery_of_what_was_not_attempted_says_so() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    let request = service.request(rename("OldPortal", "NewPortal"));
    let ended = service.run(&ledger, request.clone()).await;
    assert!(matches!(ended.outcome, Outcome::NotFound { .. }), "{}", ended.outcome);
    let wanted = Wanted::Recover(ended.entry.unwrap());
    let recovered = service.run(&ledger, ClaimRequest::new(EntryId::new("2"), request.org, wanted));
    let outcome = recovered.await.outcome;
    assert_eq!(outcome.to_string(), "OldPortal was not renamed to NewPortal: no attempt was made");
}

/// Nothing comes of an attempt, and nothing comes back.
const NOTHING: Act = Act { effect: None, reply: None, after: Duration::from_secs(20) };

#[tokio::test(start_paused = true)]
async fn callers_that_adopt_in_turn_end_by_deadline() {
    let (service, ledger) = (Service::new([NOTHING; 99]), Ledger::in_memory());
    let (one, other) =
        tokio::join!(service.create(&ledger, "AcmePortal"), service.create(&ledger, "AcmePortal"));
    assert!(!one.exists() && !other.exists(), "{one}; {other}");
    assert!(service.now() <= secs(400), "{:?}", service.now());
}

#[tokio::test(start_paused = true)]
async fn negative_that_is_not_written_is_certain_while_held_only() {
    let (service, ledger) = (Service::new([NOTHING; 9]), Ledger::in_memory());
    let fails = async {
        sleep(secs(100)).await;
        ledger.after_restart();
    };
    let run = service.run(&ledger, service.request(create("AcmePortal")));
    let (ended, ()) = tokio::join!(run, fails);
    // Somebody may have adopted the entry since the last attempt, and made another one.
    assert!(ended.not_written.is_some() && !ended.outcome.is_certain(), "{}", ended.outcome);

    let refused = Act { after: secs(20), ..responds(400, "PATTERN_NOT_MATCHED") };
    let (service, ledger) = (Service::new([refused]), Ledger::in_memory());
    let fails = async {
        sleep(secs(10)).await;
        ledger.after_restart();
    };
    let run = service.run(&ledger, service.request(create("AcmePortal")));
    let (ended, ()) = tokio::join!(run, fails);
    assert!(ended.not_written.is_some() && ended.outcome.is_certain(), "{}", ended.outcome);
}

/// Stopped while another process works on it.
#[tokio::test(start_paused = true)]
async fn recovery_that_is_stopped_names_portal() {
    for (stopped_after, is_over) in [(2, false), (30, true)] {
        let slow = Act { after: secs(3), ..CREATED };
        let (service, ledger) = (Service::new([slow]), Ledger::in_memory());
        let created = service.create(&ledger, "AcmePortal");
        let recovered = async {
            sleep(secs(1)).await;
            let entry = ledger.entries(&Filter::default()).await.unwrap().remove(0);
            let mut recovery = service.request(create("AcmePortal"));
            recovery.wanted = Wanted::Recover(entry.id);
            let (mut host, stop) = (Client(service.clone()), sleep(secs(stopped_after)));
            run(&ledger, recovery, ApiVersion::default(), &mut host, stop).await.outcome
        };
        let (created, recovered) = tokio::join!(created, recovered);
        assert!(created.is_ours(), "{created}");
        assert_eq!((recovered.name(), recovered.exists()), ("AcmePortal", is_over), "{recovered}");
    }
}
