//! Asks the firewalls: pf through pfctl, the Application Firewall through socketfilterfw.
